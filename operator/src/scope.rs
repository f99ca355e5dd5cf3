//! Which namespaces the operator looks after.

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource};

/// Which namespaces the operator looks after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    Cluster,
    /// These only; the operator has no rights elsewhere.
    Namespaces(Vec<String>),
}

impl Scope {
    /// The scope of a list of names: an empty one means all. A name that stands there twice is one.
    pub fn from_names(mut names: Vec<String>) -> Self {
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            Self::Cluster
        } else {
            Self::Namespaces(names)
        }
    }

    /// One API for each watch that is needed: one for the whole cluster, or one a namespace.
    pub fn apis<K>(&self, client: &Client) -> Vec<Api<K>>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType: Default>,
    {
        match self {
            Self::Cluster => vec![Api::all(client.clone())],
            Self::Namespaces(names) => names
                .iter()
                .map(|name| Api::namespaced(client.clone(), name))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;

    #[test]
    fn a_namespace_that_is_named_twice_is_watched_once() {
        let names = ["shop", "crm", "shop"].map(str::to_owned);
        let expected = ["crm", "shop"].map(str::to_owned);
        let scope = Scope::from_names(names.into());
        assert_eq!(scope, Scope::Namespaces(expected.into()));
        assert_eq!(Scope::from_names(Vec::new()), Scope::Cluster);
    }
}
