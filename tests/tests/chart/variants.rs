//! The ways to install that the tests know.

/// Name and `--set` values.
pub(crate) type Variant = (&'static str, &'static [&'static str]);

/// A digest that no image has.
pub(crate) const DIGEST: &str =
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The two namespaces of scope Namespaces.
pub(crate) const NAMESPACES: &[&str] = &["rbac.scope=Namespaces", "rbac.namespaces={shop,crm}"];

/// Certificates by cert-manager.
pub(crate) const CERT_MANAGER: &[&str] = &[
    "webhook.certSource=cert-manager",
    "webhook.extraSans={relay.example.com,192.0.2.1,2001:db8::1}",
];

/// A certificate that somebody else made.
pub(crate) const SECRET: &[&str] = &[
    "webhook.certSource=secret",
    "webhook.secretName=our-certificate",
    "webhook.caBundle=-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
];

/// Sidecars by `zohorelay-operator inject` only.
pub(crate) const NO_WEBHOOK: &[&str] = &["webhook.enabled=false"];

/// Both kinds of the Prometheus operator.
pub(crate) const MONITORS: &[&str] = &[
    "podMonitor.enabled=true",
    "podMonitor.labels.release=prometheus",
    "prometheusRule.enabled=true",
    "prometheusRule.labels.release=prometheus",
];

/// The Grafana dashboard, in a folder.
pub(crate) const DASHBOARD: &[&str] = &[
    "dashboard.enabled=true",
    "dashboard.annotations.grafana_folder=Mail",
];

/// Every variant.
pub(crate) const ALL: &[Variant] = &[
    ("default", &[]),
    ("namespaces", NAMESPACES),
    ("cert-manager", CERT_MANAGER),
    (
        "cert-manager with an issuer of theirs",
        &[
            "webhook.certSource=cert-manager",
            "webhook.certManager.issuerRef.name=internal-ca",
            "webhook.certManager.issuerRef.kind=ClusterIssuer",
        ],
    ),
    ("secret", SECRET),
    ("monitors", MONITORS),
    (
        "monitors in namespaces",
        &[
            "rbac.scope=Namespaces",
            "rbac.namespaces={shop,crm}",
            "podMonitor.enabled=true",
            "prometheusRule.enabled=true",
        ],
    ),
    ("dashboard", DASHBOARD),
    ("no webhook", NO_WEBHOOK),
    (
        "no webhook in namespaces",
        &[
            "rbac.scope=Namespaces",
            "rbac.namespaces={shop,crm}",
            "webhook.enabled=false",
            "networkPolicy.enabled=true",
            "prometheusRule.enabled=true",
        ],
    ),
    (
        "private cluster",
        &[
            "webhook.port=10250",
            "webhook.hostNetwork=true",
            "webhook.failurePolicy=Ignore",
            "networkPolicy.enabled=true",
            "networkPolicy.extraEgress[0].ports[0].port=2465",
        ],
    ),
    (
        "all that is optional",
        &[
            "fullnameOverride=mail",
            "commonLabels.team=mail",
            "commonAnnotations.owner=mail",
            "podLabels.tier=infra",
            "podAnnotations.note=here",
            "serviceAccount.annotations.role=mail",
            "priorityClassName=system-cluster-critical",
            "nodeSelector.disk=ssd",
            "tolerations[0].operator=Exists",
            "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=1",
            "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].key=disk",
            "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].operator=Exists",
            "topologySpreadConstraints[0].maxSkew=1",
            "topologySpreadConstraints[0].topologyKey=rack",
            "topologySpreadConstraints[0].whenUnsatisfiable=ScheduleAnyway",
            "extraEnv[0].name=HTTPS_PROXY",
            "extraEnv[0].value=http://proxy.example.com:3128",
            "extraArgs={--allowed-upstream-host=relay.example.net}",
            "imagePullSecrets[0].name=registry",
            "allowedUpstreamHosts={mail.example.com,*.example.org}",
            "sidecar.imagePullSecrets[0].name=registry",
            "sidecar.image.pullPolicy=Always",
            "sidecar.resources.limits.cpu=1",
            "sidecar.runAsUser=null",
            "networkPolicy.enabled=true",
        ],
    ),
    (
        "as little as possible",
        &[
            "replicas=1",
            "crds.enabled=false",
            "rbac.create=false",
            "rbac.aggregateClusterRoles=false",
            "serviceAccount.create=false",
            "serviceAccount.name=theirs",
            "podDisruptionBudget.enabled=false",
        ],
    ),
];
