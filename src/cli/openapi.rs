//! `flowkeep openapi`.

use std::error::Error;
use std::io::Write;

use crate::app::router;

/// Prints the description of the API.
pub fn run() -> Result<bool, Box<dyn Error>> {
    let text = router::openapi().to_pretty_json()?;
    writeln!(std::io::stdout(), "{text}")?;
    Ok(true)
}
