//! What starts and ends with the process.
