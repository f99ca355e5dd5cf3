//! A Zoho that behaves as Zoho does, with faults on demand, for tests and CI.
