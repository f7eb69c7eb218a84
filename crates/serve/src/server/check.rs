//! Asking a server whether it is alive: for images that have no shell and no curl.

use std::time::Duration;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks a server. Returns its status where it answers that it is well.
///
/// # Errors
/// A server that cannot be reached, or answers something else, as a line.
pub fn ask(url: &str) -> Result<u16, String> {
    let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
    let agent = config.proxy(None).build().new_agent();
    let response = agent.get(url).call().map_err(|error| error.to_string())?;
    match response.status().as_u16() {
        status @ 200..=299 => Ok(status),
        status => Err(format!("it answers {status}")),
    }
}
