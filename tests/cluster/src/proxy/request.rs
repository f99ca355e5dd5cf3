//! What a request asks of the API server.

use hyper::{Method, Uri};

/// A request in the words of Kubernetes (as in RBAC).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// get, list, watch, create, update, patch, delete or deletecollection; lower-case HTTP method for
    /// what is no resource.
    pub verb: String,
    /// API group; empty for the core.
    pub group: String,
    /// Plural name, with the subresource where there is one: `pods`, `mailidentities/status`. Empty for
    /// what is no resource, as `/readyz`.
    pub resource: String,
    /// Namespace; empty for cluster-wide requests.
    pub namespace: String,
    /// Name; empty for collections.
    pub name: String,
    /// Path and query.
    pub path: String,
}

impl Request {
    /// Reads method, path and query.
    pub fn parse(method: &Method, uri: &Uri) -> Self {
        let mut request = Self {
            path: uri
                .path_and_query()
                .map(ToString::to_string)
                .unwrap_or_default(),
            verb: method.as_str().to_lowercase(),
            ..Self::default()
        };
        let parts: Vec<&str> = uri.path().split('/').skip(1).collect();
        let rest = match parts.as_slice() {
            ["api", _version, rest @ ..] => rest,
            ["apis", group, _version, rest @ ..] => {
                request.group.push_str(group);
                rest
            }
            _ => return request,
        };
        // A namespace is an object, too, with its own subresources.
        let rest = match rest {
            ["namespaces", _, "status" | "finalize"] => rest,
            ["namespaces", namespace, inside @ ..] if !inside.is_empty() => {
                request.namespace.push_str(namespace);
                inside
            }
            _ => rest,
        };
        let Some((resource, rest)) = rest.split_first() else {
            return request;
        };
        request.resource.push_str(resource);
        if let Some((name, subresource)) = rest.split_first() {
            request.name.push_str(name);
            for part in subresource {
                request.resource = format!("{}/{part}", request.resource);
            }
        }
        verb(method, uri, request.name.is_empty()).clone_into(&mut request.verb);
        request
    }

    /// Whether it has this verb for this resource.
    pub fn is(&self, verb: &str, resource: &str) -> bool {
        self.verb == verb && self.resource == resource
    }

    /// Whether it writes.
    pub fn writes(&self) -> bool {
        let reads = ["get", "list", "watch", "head", "options"];
        !reads.contains(&self.verb.as_str())
    }
}

fn verb(method: &Method, uri: &Uri, collection: bool) -> &'static str {
    let query = uri.query().unwrap_or_default();
    let watches = query
        .split('&')
        .any(|pair| matches!(pair, "watch" | "watch=true" | "watch=1"));
    match *method {
        Method::GET if watches => "watch",
        Method::GET if collection => "list",
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if collection => "deletecollection",
        Method::DELETE => "delete",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_rbac_reads_them() {
        let rows = [
            (
                Method::GET,
                "/api/v1/secrets?limit=5",
                "list",
                "",
                "secrets",
                "",
                "",
            ),
            (
                Method::GET,
                "/api/v1/secrets?watch=true&x=y",
                "watch",
                "",
                "secrets",
                "",
                "",
            ),
            (
                Method::GET,
                "/api/v1/namespaces/a",
                "get",
                "",
                "namespaces",
                "",
                "a",
            ),
            (
                Method::PUT,
                "/api/v1/namespaces/a/finalize",
                "update",
                "",
                "namespaces/finalize",
                "",
                "a",
            ),
            (
                Method::GET,
                "/api/v1/namespaces/a/pods",
                "list",
                "",
                "pods",
                "a",
                "",
            ),
            (
                Method::POST,
                "/api/v1/namespaces/a/pods/p/exec",
                "create",
                "",
                "pods/exec",
                "a",
                "p",
            ),
            (
                Method::PATCH,
                "/apis/zohorelay.dev/v1alpha1/namespaces/a/mailidentities/b/status?force=true",
                "patch",
                "zohorelay.dev",
                "mailidentities/status",
                "a",
                "b",
            ),
            (
                Method::DELETE,
                "/api/v1/namespaces/a/pods",
                "deletecollection",
                "",
                "pods",
                "a",
                "",
            ),
            (Method::GET, "/readyz", "get", "", "", "", ""),
            (Method::GET, "/apis/apps/v1", "get", "apps", "", "", ""),
        ];
        for (method, uri, verb, group, resource, namespace, name) in rows {
            let request = Request::parse(&method, &uri.parse().unwrap());
            let found = (
                request.verb.as_str(),
                request.group.as_str(),
                request.resource.as_str(),
                request.namespace.as_str(),
                request.name.as_str(),
            );
            assert_eq!(found, (verb, group, resource, namespace, name), "{uri}");
        }
    }
}
