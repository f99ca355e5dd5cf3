//! The documents of identities without a cluster.
