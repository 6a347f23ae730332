//! The items of a header: names, kinds, signatures, layouts, values and gates.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// All items, by name.
pub(crate) type Items = BTreeMap<String, Item>;

/// One item of C.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Item {
    /// The preprocessor condition around it, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gate: Option<String>,
    #[serde(flatten)]
    pub(crate) kind: ItemKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum ItemKind {
    /// A macro that stands for a number.
    Constant {
        value: Number,
    },
    /// An enumeration, with its enumerators in their order.
    Enumeration {
        /// The type of its values, if it is not `int`.
        #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
        ty: Option<String>,
        values: IndexMap<String, Number>,
    },
    Structure(Structure),
    FunctionType(Signature),
    Function(Signature),
    /// Another name of a type.
    Alias {
        of: String,
    },
    /// A variable that is declared.
    Variable {
        of: String,
    },
    /// A macro with parameters, or one whose value is not a number.
    Macro(Macro),
}

/// As 64 bits.
pub(crate) type Number = i64;

/// Hexadecimal, as headers write most of them.
pub(crate) fn number(value: Number) -> String {
    match value {
        10.. => format!("0x{value:X}"),
        _ => value.to_string(),
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Structure {
    /// In bytes.
    pub(crate) size: u64,
    /// In bytes.
    pub(crate) align: u64,
    pub(crate) fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Field {
    /// In bytes.
    pub(crate) at: u64,
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) ty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gate: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signature {
    pub(crate) returns: String,
    pub(crate) parameters: Vec<Parameter>,
}

/// In a record, `TYPE NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Parameter {
    pub(crate) ty: String,
    /// `_` if it has none.
    pub(crate) name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Macro {
    /// The number of parameters, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parameters: Option<usize>,
    /// Its value for [`SAMPLES`], which reveals a changed definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sample: Option<Number>,
    /// A string or a floating-point number, as C spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
}

impl Parameter {
    /// The `...` of a function with any number of arguments.
    pub(crate) fn more() -> Self {
        Self { ty: MORE.to_owned(), name: "_".to_owned() }
    }
}

const MORE: &str = "...";

/// The arguments that a macro is tried with.
pub(crate) const SAMPLES: [&str; 4] = ["0x1234", "0x5678", "0x9ABC", "0xDEF0"];

impl TryFrom<String> for Parameter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == MORE {
            return Ok(Self::more());
        }
        let (ty, name) =
            text.rsplit_once(' ').ok_or_else(|| format!("`{text}` is not a type and a name"))?;
        Ok(Self { ty: ty.to_owned(), name: name.to_owned() })
    }
}

impl From<Parameter> for String {
    fn from(parameter: Parameter) -> Self {
        match &*parameter.ty {
            MORE => parameter.ty,
            ty => format!("{ty} {}", parameter.name),
        }
    }
}

impl Item {
    /// Its gate, and those of its fields.
    pub(crate) fn gates(&self) -> impl Iterator<Item = &str> {
        let fields = match &self.kind {
            ItemKind::Structure(structure) => &structure.fields[..],
            _ => &[],
        };
        let fields = fields.iter().filter_map(|field| field.gate.as_deref());
        self.gate.as_deref().into_iter().chain(fields)
    }
}

impl ItemKind {
    /// The name of the kind in a report.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Constant { .. } => "constant",
            Self::Enumeration { .. } => "enumeration",
            Self::Structure(_) => "structure",
            Self::FunctionType(_) => "function type",
            Self::Function(_) => "function",
            Self::Alias { .. } => "type",
            Self::Variable { .. } => "variable",
            Self::Macro(_) => "macro",
        }
    }
}
