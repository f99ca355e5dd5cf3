//! How much there is of everything, and how it is called.

use std::time::Duration;

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Namespaces with identities and pods.
    pub namespaces: usize,
    /// Identities in each; a multiple of [`Scale::IDENTITIES_OF_A_SIDECAR`].
    pub identities_each: usize,
    /// Pods of each identity.
    pub pods_each: usize,
    /// From the start to the reading of idle memory.
    pub idle: Duration,
    /// How long admission is measured while nothing else happens.
    pub quiet: Duration,
}

impl Scale {
    /// What the bars are about.
    pub const FULL: Self = Self {
        namespaces: 10,
        identities_each: 100,
        pods_each: 5,
        idle: Duration::from_secs(60),
        quiet: Duration::from_secs(30),
    };
    /// A short run.
    pub const QUICK: Self = Self {
        namespaces: 4,
        identities_each: 25,
        pods_each: 5,
        idle: Duration::from_secs(10),
        quiet: Duration::from_secs(10),
    };

    /// All identities.
    pub fn identities(&self) -> usize {
        self.namespaces * self.identities_each
    }

    /// All pods.
    pub fn pods(&self) -> usize {
        self.identities() * self.pods_each
    }

    /// Names of the namespaces.
    pub fn namespace_names(&self) -> impl Iterator<Item = String> {
        (0..self.namespaces).map(|number| format!("bench-{number:02}"))
    }

    /// The namespace of an identity.
    pub fn namespace_of(&self, identity: usize) -> String {
        format!("bench-{:02}", identity / self.identities_each)
    }
}

/// Name of an identity.
pub fn identity_name(number: usize) -> String {
    format!("id-{number:04}")
}
