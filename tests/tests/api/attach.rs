//! The sidecar attached to pods: a real API server calls a real operator by the webhook that the chart
//! registers.
//!
//! - [`world`]: what each test has: a release of the chart, an operator, a namespace for pods
//! - [`whole_way`]: what a person applies sends mail; [`node`]: the sidecar of a pod as a process
//! - [`streams`]: the command `inject` makes the same
//! - [`service`]: what stands between API server and replicas
//! - [`certificate`]: renewed, repaired and trusted; [`replicas`]: who come and go; [`made`]: pods
//!   that are made meanwhile
//! - [`refusals`]: what a person reads who cannot have it
//! - [`resources`]: `LimitRange`, `ResourceQuota`, Pod Security, quality of service
//! - [`policy`]: the policy that looks at the final pod
//! - [`workloads`]: pods as controllers make them; strangers; a dry run

mod certificate;
mod made;
mod node;
mod policy;
mod refusals;
mod replicas;
mod resources;
mod service;
mod streams;
mod whole_way;
mod workloads;
mod world;
