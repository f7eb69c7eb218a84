//! Failed requests to the hub, and what the user can do about them.

use crate::Error;
use crate::repo::Repo;
use tagsmith_message::{Remedy, Setting};

/// Why a request gave nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The hub did not answer, or the connection broke.
    Unreachable(String),
    /// The hub answered with an error.
    Refused {
        status: u16,
        /// The hub's own name for it (`x-error-code`), or nothing.
        code: String,
        /// The hub's message, or nothing.
        message: String,
    },
    /// The answer is not one that a hub gives.
    Malformed(String),
    /// An error on this machine.
    Local(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Local(error)
    }
}

/// A request that failed.
pub(crate) struct Asked<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) repo: &'a Repo,
    pub(crate) revision: &'a str,
    /// A file of the repository.
    pub(crate) file: Option<&'a str>,
    pub(crate) with_token: bool,
    /// Whether something was to be sent.
    pub(crate) up: bool,
}

impl Failure {
    /// Returns whether the hub knows the repository and has no such revision. The cache is then not an answer.
    pub(crate) fn is_missing_revision(&self) -> bool {
        matches!(self, Failure::Refused { code, .. } if code == "RevisionNotFound")
    }

    /// Returns whether the hub has no such repository, revision or file.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Failure::Refused { status: 404, .. })
    }

    /// Returns whether asking again may help.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Failure::Unreachable(_) => true,
            Failure::Refused { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            Failure::Malformed(_) | Failure::Local(_) => false,
        }
    }

    /// Returns the reason in a few words.
    pub(crate) fn reason(&self) -> String {
        match self {
            Failure::Unreachable(why) => format!("the hub cannot be reached: {why}"),
            Failure::Refused { status, message, .. } if message.is_empty() => format!("the hub answers {status}"),
            Failure::Refused { status, message, .. } => format!("the hub answers {status}: {message}"),
            Failure::Malformed(why) => format!("the answer is not a hub's: {why}"),
            Failure::Local(error) => error.with_cause(),
        }
    }

    /// Returns the failure as an error with a remedy.
    pub(crate) fn explain(self, asked: &Asked<'_>) -> Error {
        let Asked { endpoint, repo, revision, file, .. } = *asked;
        let place = match file {
            Some(file) => format!("{}: {file}", repo.id),
            None => repo.id.clone(),
        };
        if let Failure::Local(error) = self {
            return error;
        }
        let check = || Remedy::to_do(format!("check the network, HF_ENDPOINT ({endpoint}) and https_proxy"));
        let remedy = match &self {
            Failure::Unreachable(why) if why.contains("certificate") => {
                Remedy::to_do("name your proxy's certificates with SSL_CERT_FILE")
            }
            Failure::Unreachable(_) if asked.up => check(),
            Failure::Unreachable(_) => Remedy::AnyOf(vec![
                check(),
                Remedy::to_do(format!("bring the {} to this machine with `{}`", repo.kind.noun(), repo.download())),
            ]),
            Failure::Malformed(_) | Failure::Local(_) => {
                Remedy::to_do(format!("try again later, and check HF_ENDPOINT ({endpoint})"))
            }
            Failure::Refused { status, code, .. } => remedy(*status, code, asked),
        };
        let problem = match &self {
            Failure::Refused { code, .. } if code == "RevisionNotFound" => format!("there is no revision `{revision}`"),
            Failure::Refused { code, .. } if code == "GatedRepo" => {
                format!("this {} is gated ({})", repo.kind.noun(), self.reason())
            }
            Failure::Refused { status: 401 | 404, .. } if file.is_none() && !asked.up => {
                format!("{}, so there is no such {}, or it is not shown to you", self.reason(), repo.kind.noun())
            }
            _ => self.reason(),
        };
        Error::refused(place, problem, remedy)
    }
}

/// Returns what to do where the hub refused.
fn remedy(status: u16, code: &str, asked: &Asked<'_>) -> Remedy {
    let Asked { endpoint, repo, .. } = *asked;
    let correct_name = || Remedy::to_do("correct the name");
    match (status, code) {
        (_, "GatedRepo") => {
            let accept = format!("accept its conditions at {endpoint}{}", repo.page());
            Remedy::AllOf(vec![Remedy::to_do(accept), token(asked)])
        }
        (_, "RevisionNotFound") => {
            let revision = repo.kind.revision();
            Remedy::AnyOf(vec![Remedy::set(revision).so_as("with another one"), Remedy::Unset(revision)])
        }
        (401, _) if asked.up => token(asked),
        (500.., _) if asked.up => Remedy::to_do("try again later"),
        (401 | 404, _) => Remedy::AnyOf(vec![correct_name(), token(asked)]),
        (403, _) => token(asked),
        (429, _) if !asked.with_token => {
            let more = Remedy::set(Setting::Token).so_as("because the hub then allows more requests");
            Remedy::AnyOf(vec![Remedy::to_do("wait"), more])
        }
        (429, _) => Remedy::to_do("wait, then try again"),
        (500.., _) => Remedy::to_do(format!(
            "try again later; once downloaded, HF_HUB_OFFLINE=1 reads the cached {}",
            repo.kind.noun()
        )),
        _ => Remedy::to_do("check the name and the token"),
    }
}

/// Returns the remedy of another token, or of one at all.
fn token(asked: &Asked<'_>) -> Remedy {
    let which = match (asked.with_token, asked.up) {
        (true, _) => "because the token that was sent does not allow it",
        (false, true) => "with a token that may write",
        (false, false) => "with a token that may read",
    };
    token_remedy(asked.up).so_as(which)
}

/// Returns the remedy of naming a token.
pub(crate) fn token_remedy(up: bool) -> Remedy {
    let setting = if up { Setting::HubToken } else { Setting::Token };
    let login = Remedy::to_do("log in with `hf auth login`");
    Remedy::AnyOf(vec![login, Remedy::to_do("set HF_TOKEN"), Remedy::set(setting)])
}
