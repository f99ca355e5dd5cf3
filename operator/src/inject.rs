//! Pod admission: review in, review out.
