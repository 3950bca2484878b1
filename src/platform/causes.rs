//! Why something failed, without the layers that only say that it did.

use std::error::Error;

/// The innermost error's words: those of the server or of the network.
pub fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut current = error;
    while let Some(next) = current.source() {
        current = next;
    }
    current.to_string()
}
