//! The tests of wsk whose requests use every kernel structure that wsk accesses.

#[path = "../../../../wsk/tests/host/buffers.rs"]
mod buffers;
#[path = "../../../../wsk/tests/host/echo.rs"]
mod echo;
#[path = "../../../../wsk/tests/host/ioctls.rs"]
mod ioctls;
#[path = "../../../../wsk/tests/host/options.rs"]
mod options;
#[path = "../../../../wsk/tests/host/time.rs"]
mod time;
