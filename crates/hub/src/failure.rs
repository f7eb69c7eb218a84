//! Why the hub gave nothing, and what a person can do about it.

use crate::Error;
use crate::repo::{Kind, Repo};

/// Why a request gave nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nobody answered, or the connection broke.
    Unreachable(String),
    /// The hub answered with an error.
    Refused {
        status: u16,
        /// The hub's own name for it (`x-error-code`), or nothing.
        code: String,
        /// What the hub says, or nothing.
        message: String,
    },
    /// The answer is not one that a hub gives.
    Malformed(String),
    /// Something on this machine.
    Local(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Local(error)
    }
}

/// What was asked for when it failed.
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
    /// Whether the hub knows the repository and has no such revision: what the cache holds is then no answer.
    pub(crate) fn is_missing_revision(&self) -> bool {
        matches!(self, Failure::Refused { code, .. } if code == "RevisionNotFound")
    }

    /// Whether the hub has no such repository, revision or file.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Failure::Refused { status: 404, .. })
    }

    /// Whether asking again may help.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Failure::Unreachable(_) => true,
            Failure::Refused { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            Failure::Malformed(_) | Failure::Local(_) => false,
        }
    }

    /// In a few words.
    pub(crate) fn reason(&self) -> String {
        match self {
            Failure::Unreachable(why) => format!("the hub cannot be reached: {why}"),
            Failure::Refused { status, message, .. } if message.is_empty() => format!("the hub answers {status}"),
            Failure::Refused { status, message, .. } => format!("the hub answers {status}: {message}"),
            Failure::Malformed(why) => format!("the answer is not a hub's: {why}"),
            Failure::Local(error) => error.with_cause(),
        }
    }

    /// As one line with a remedy.
    pub(crate) fn explain(self, asked: &Asked<'_>) -> Error {
        let Asked { endpoint, repo, revision, file, .. } = *asked;
        let place = match file {
            Some(file) => format!("{}: {file}", repo.id),
            None => repo.id.clone(),
        };
        if let Failure::Local(error) = self {
            return error;
        }
        let remedy = match &self {
            Failure::Unreachable(why) if why.contains("certificate") => {
                "name your proxy's certificates with SSL_CERT_FILE".to_owned()
            }
            Failure::Unreachable(_) if asked.up => {
                format!("check the network, HF_ENDPOINT ({endpoint}) and https_proxy")
            }
            Failure::Unreachable(_) => format!(
                "check the network, HF_ENDPOINT ({endpoint}) and https_proxy; or bring the {} here with `hf download \
                 {}{} --local-dir FOLDER` and pass its folder",
                repo.kind.noun(),
                repo.id,
                repo.kind.download_option()
            ),
            Failure::Malformed(_) | Failure::Local(_) => format!("try again later, and check HF_ENDPOINT ({endpoint})"),
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
        Error::path(place, format!("{problem}: {remedy}"))
    }
}

fn remedy(status: u16, code: &str, asked: &Asked<'_>) -> String {
    let Asked { endpoint, repo, with_token, .. } = *asked;
    let token = if with_token {
        "the token that was sent does not allow it, take another (`--token`, HF_TOKEN or `hf auth login`)"
    } else {
        "pass a token that may read it (`--token`, HF_TOKEN or `hf auth login`)"
    };
    match (status, code) {
        (_, "GatedRepo") => format!("accept its conditions at {endpoint}{}, and {token}", repo.page()),
        (_, "RevisionNotFound") => format!("correct `{}`, or leave it out", repo.kind.revision_option()),
        (401, _) if asked.up => token.to_owned(),
        (500.., _) if asked.up => "try again later".into(),
        (401 | 404, _) => format!("correct the name, or {token}"),
        (403, _) => token.to_owned(),
        (429, _) if !with_token => "wait, or pass a token, which the hub allows more requests".into(),
        (429, _) => "wait, then try again".into(),
        (500.., _) => match repo.kind {
            Kind::Dataset => "try again later; once downloaded, HF_HUB_OFFLINE=1 reads the cached data set".into(),
            Kind::Model => "try again later; once downloaded, HF_HUB_OFFLINE=1 reads the cached model".into(),
        },
        _ => "check the name and the token".into(),
    }
}
