//! What could not be read, and which right is missing. PURE.

use std::fmt;

/// A right to read something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// `get` or `list`.
    pub verb: &'static str,
    /// The resource, in the plural.
    pub resource: &'static str,
    /// Where; none: in the whole cluster.
    pub namespace: Option<String>,
}

impl Right {
    /// To `list` a resource of a namespace.
    pub fn list(resource: &'static str, namespace: &str) -> Self {
        Self {
            verb: "list",
            resource,
            namespace: Some(namespace.to_owned()),
        }
    }

    /// To `get` a resource of a namespace.
    pub fn get(resource: &'static str, namespace: &str) -> Self {
        Self {
            verb: "get",
            ..Self::list(resource, namespace)
        }
    }

    /// The same for the whole cluster.
    #[must_use]
    pub fn everywhere(self) -> Self {
        Self {
            namespace: None,
            ..self
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => write!(f, " of the cluster"),
        }
    }
}

/// Why something is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Whoever asks may not read it.
    Forbidden(Right),
    /// The API server does not answer, or not this.
    Failed(String),
}

/// What the API server answered.
pub type Asked<T> = Result<T, Unread>;

impl Unread {
    /// Of what the API server said.
    pub fn of(error: &kube::Error, right: &Right) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 403 => Self::Forbidden(right.clone()),
            other => Self::Failed(format!("{right}: {}", crate::run::chain(other))),
        }
    }

    /// What is missing, in words.
    pub fn why(&self) -> String {
        match self {
            Self::Forbidden(right) => format!("you may not {right}"),
            Self::Failed(why) => why.clone(),
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => "ask for that right, or have somebody run this who has it",
            Self::Failed(_) => "run this again; if it stays, look at the API server",
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn a_refusal_names_the_right_and_any_other_answer_is_told() {
        let right = Right::list("pods", "shop");
        let error = |code| {
            let status = Status::failure("no", "Some").with_code(code);
            kube::Error::Api(status.boxed())
        };
        let refused = Unread::of(&error(403), &right);
        assert_eq!(refused.why(), "you may not list pods in namespace shop");
        let failed = Unread::of(&error(500), &right.everywhere());
        assert!(failed.why().starts_with("list pods of the cluster: "));
    }
}
