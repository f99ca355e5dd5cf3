//! A certificate authority of one run, and a server that it vouches for.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// PEM texts.
pub(crate) struct Certificate {
    /// The authority, for `trustAnchors`.
    pub(crate) authority: String,
    /// Key and certificate of `localhost`, in the order that Postfix wants.
    pub(crate) chain: String,
}

impl Certificate {
    pub(crate) fn of_localhost() -> Self {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_certificate = authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = leaf.signed_by(&key, &issuer).unwrap();
        Self {
            authority: authority_certificate.pem(),
            chain: key.serialize_pem() + &certificate.pem(),
        }
    }
}
