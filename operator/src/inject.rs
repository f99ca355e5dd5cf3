//! Pod admission: review in, review out. Also the same for YAML, without a webhook.
//!
//! [`decide`](mod@decide) reads what a pod asks for and refuses what cannot be; [`container`] is the
//! sidecar; [`patch`](mod@patch) puts it in. All is done on raw JSON, so that fields which this version
//! does not know survive. Nothing here asks the API server, looks at a clock or keeps state.
//!
//! Promises: a pod that did not ask is left alone; a container is only added to, never changed but for
//! the variables that its owner asked for; twice is the same as once.

pub mod container;
pub mod decide;
pub mod patch;
pub mod pod;
pub mod quantity;
pub mod refusal;
pub mod resources;
pub mod review;
pub mod settings;
pub mod stream;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod properties;

use json_patch::Patch;
use serde_json::Value;

pub use self::refusal::Refusal;
pub use self::review::{Admission, Answer, admit};
pub use self::settings::{Settings, SettingsError};
pub use self::stream::{InjectError, Injected, inject_stream};

use self::decide::{Decision, decide};
use self::patch::patch;
use self::pod::Pod;

/// What is to be done with a pod.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Nothing.
    Untouched,
    /// This, which may be nothing too where the sidecar is there already.
    Patch {
        /// The operations.
        patch: Patch,
        /// What the owner should know although it works.
        warnings: Vec<String>,
    },
}

/// Plans for a pod, or the template of one.
pub fn plan(pod: &Value, settings: &Settings) -> Result<Plan, Refusal> {
    let Decision::Inject(request) = decide(pod)? else {
        return Ok(Plan::Untouched);
    };
    let patch = patch(&Pod::read(pod)?, &request, settings);
    Ok(Plan::Patch {
        patch,
        warnings: request.warnings,
    })
}
