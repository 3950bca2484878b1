//! Which cryptography TLS uses: ring, the one that is in the binary already.

use std::sync::Once;

static INSTALLED: Once = Once::new();

/// Chooses it for the whole process. Call it before the first client is made; again is fine.
pub fn install() {
    INSTALLED.call_once(|| {
        // An error says that one was chosen before, and that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
