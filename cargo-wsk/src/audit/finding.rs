//! The findings of an audit.

use std::fmt;

/// A kind of defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DefectKind {
    /// The headers or sections of the image.
    Image,
    /// An import that the kernel does not export, or that the image's oldest Windows lacks.
    Import,
    /// A part of the image is pageable or discarded.
    Pageable,
    /// A function can panic, which brings the system down.
    Panic,
    /// Functions call each other in a circle.
    Recursion,
    /// A function changes registers that the kernel does not save.
    Registers,
    /// A function and the functions that it calls use more stack than the budget.
    Stack,
}

impl DefectKind {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Import => "import",
            Self::Pageable => "pageable",
            Self::Panic => "panic",
            Self::Recursion => "recursion",
            Self::Registers => "registers",
            Self::Stack => "stack",
        }
    }
}

/// A defect of a driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The kind of defect.
    pub kind: DefectKind,
    /// The source name of the function that has the defect, if it is in a function.
    pub function: Option<String>,
    /// The defect.
    pub message: String,
    /// The remedy.
    pub remedy: &'static str,
}

impl Finding {
    pub(super) fn new(kind: DefectKind, message: String, remedy: &'static str) -> Self {
        Self { kind, function: None, message, remedy }
    }

    pub(super) fn of(self, function: &str) -> Self {
        Self { function: Some(function.to_owned()), ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. {}", self.message, self.remedy)
    }
}
