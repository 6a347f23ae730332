//! Errors of a driver's start: a status for the system, and a sentence for the debugger.

use core::fmt;

use wsk_sys::{NT_SUCCESS, NTSTATUS, STATUS_UNSUCCESSFUL};

use crate::message::MessageText;

/// The result of a driver's start.
pub type Result<T> = core::result::Result<T, Error>;

/// The reason why a driver does not start: `DriverEntry` returns its status and logs its text.
///
/// It is made from any [`wsk::Error`] by `?`, or with a description by [`Context`]. Nothing is allocated: the description has
/// up to 103 bytes, and more is cut off.
pub struct Error {
    status: NTSTATUS,
    text: MessageText<104>,
}

impl Error {
    /// Creates an error from a status and a description. A status of success becomes `STATUS_UNSUCCESSFUL`, since the system
    /// would keep the driver loaded.
    ///
    /// ```
    /// use wsk_driver::Error;
    /// use wsk_sys::STATUS_INVALID_PARAMETER;
    ///
    /// let error = Error::new(STATUS_INVALID_PARAMETER, format_args!("the URL has {} bytes", 900));
    /// assert_eq!(error.status(), STATUS_INVALID_PARAMETER);
    /// assert_eq!(error.to_string(), "the URL has 900 bytes");
    /// # extern crate wsk_host;
    /// ```
    #[must_use]
    // Inlined, each error that a function may return would have its own place on the stack.
    #[cold]
    #[inline(never)]
    pub fn new(status: NTSTATUS, description: fmt::Arguments<'_>) -> Self {
        let status = if NT_SUCCESS(status) { STATUS_UNSUCCESSFUL } else { status };
        Self { status, text: MessageText::new(description) }
    }

    /// The status that `DriverEntry` returns.
    #[must_use]
    pub const fn status(&self) -> NTSTATUS {
        self.status
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.as_str())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:#010X}: {})", self.status, self.text.as_str())
    }
}

impl core::error::Error for Error {}

impl From<wsk::Error> for Error {
    #[cold]
    #[inline(never)]
    fn from(error: wsk::Error) -> Self {
        Self::new(error.status(), format_args!("{error}"))
    }
}

/// Adds a description to an error.
pub trait Context<T> {
    /// Puts a description before the error. The description is formatted only if there is an error.
    ///
    /// # Errors
    ///
    /// The error of `self`, with the description before its own text.
    ///
    /// ```
    /// use wsk_driver::Context as _;
    ///
    /// let port = 7;
    /// let error = wsk::pool::set_tag([0; 4]).context(format_args!("cannot serve on port {port}"));
    /// assert!(error.unwrap_err().to_string().starts_with("cannot serve on port 7: "));
    /// # extern crate wsk_host;
    /// ```
    fn context(self, description: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for core::result::Result<T, E> {
    fn context(self, description: impl fmt::Display) -> Result<T> {
        self.map_err(|error| {
            let error = error.into();
            Error::new(error.status, format_args!("{description}: {error}"))
        })
    }
}
