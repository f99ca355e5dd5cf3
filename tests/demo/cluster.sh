#!/usr/bin/env bash
# A real Kubernetes on this machine, the chart, and a Deployment, a Job and a CronJob that send mail through their
# sidecars to a simulated Zoho. Each command stands before what it prints. `--keep` leaves all of it running.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/demo/cluster
out=target/demo-cluster
cluster=target/debug/zohorelay-cluster

if [[ $(id -u) != 0 ]]; then
    echo "make demo-cluster starts real pods on this machine, in namespaces of their own, and only root may:" >&2
    echo "  sudo make demo-cluster      (make demo needs no root: it does the same without Kubernetes)" >&2
    exit 1
fi

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '$ %s\n' "$1"; bash -o pipefail -c "$1"; }
# until SECONDS COMMAND: tries it each fifth of a second.
until_true() {
    local left=$(($1 * 5))
    until bash -o pipefail -c "$2" >/dev/null 2>&1; do
        ((left-- > 0)) || { echo "not seen in $1 s: $2" >&2; return 1; }
        sleep 0.2
    done
}
now() { date +%s%N; }
since() { printf '%d.%01d s' $((($(now) - $1) / 1000000000)) $((($(now) - $1) / 100000000 % 10)); }
# Zoho's side, by the API server.
zoho() { echo "kubectl get --raw /api/v1/namespaces/zoho/services/zoho:api/proxy/$1"; }

down() { "$cluster" down >/dev/null; }
failed() {
    echo "the demo failed; its pods were:" >&2
    kubectl get pods -A >&2 || true
    kubectl get events -A --field-selector type=Warning >&2 || true
    down
}

mkdir -p "$out"
"$cluster" down >/dev/null # of a demo that was kept
trap 'failed' ERR
trap 'down; exit 130' INT TERM

say "1. A node with real pods"
start=$(now)
images=()
for name in operator sidecar simulator app; do images+=(--image "target/images/$name.tar"); done
watched=
if [[ -e target/images/alertmanager.tar ]]; then
    watched=1
    for name in prometheus alertmanager on-call; do images+=(--image "target/images/$name.tar"); done
fi
eval "$("$cluster" up --role node "${images[@]}" --host smtppro.zoho.com=10.96.0.25)"
show "kubectl get nodes"
echo "(ready after $(since "$start"))"

say "2. A Zoho: the simulator, behind Zoho's own host name"
show "kubectl apply -f $here/zoho.yaml"
show "kubectl -n zoho rollout status deployment/zoho --timeout=60s"

say "3. zohorelay"
show "helm install zohorelay charts/zohorelay --namespace zohorelay-system --create-namespace --wait | head -4"

if [[ $watched ]]; then
    say "   A Prometheus and an Alertmanager, with the scrape configuration and the alert rules of examples/prometheus"
    show "kubectl create namespace monitoring"
    show "kubectl -n monitoring create configmap config --from-file=examples/prometheus"
    show "kubectl -n monitoring apply -f examples/prometheus/rights.yaml -f tests/prometheus/monitoring.yaml | wc -l"
fi

say "4. Two mailboxes, in a namespace where Pod Security restricted is enforced"
show "kubectl apply -f $here/namespace.yaml"
$(zoho ca.pem) >$out/ca.pem
for identity in billing reports; do
    # The simulator's certificate is its own, so the identity must trust it; for Zoho itself nothing is added.
    {
        cat "examples/$identity.yaml"
        printf '  server:\n    host: smtppro.zoho.com\n    caBundle: |\n'
        sed 's/^/      /' $out/ca.pem
    } >"$out/$identity.yaml"
    show "kubectl -n shop apply -f $out/$identity.yaml"
done
show "kubectl -n shop wait --for=condition=Ready --timeout=60s mid/billing"
show "kubectl -n shop wait --for=condition=CredentialsVerified --timeout=60s mid/reports"

say "5. A Deployment, a Job and a CronJob: the label and the annotation are all that is new in them"
start=$(now)
show "kubectl -n shop apply -f $here/apps.yaml"
until_true 60 "$(zoho mails) | grep -q billing@"
echo "(first mail at Zoho $(since "$start") after kubectl apply)"
show "kubectl -n shop create job nightly-now --from=cronjob/nightly"
show "kubectl -n shop wait --for=condition=Complete --timeout=60s job/import job/nightly-now"
show "kubectl -n shop get pods"

say "6. What the app in the Deployment was told, and what its sidecar says"
show "kubectl -n shop logs deployment/shop -c app | tail -2"
show "kubectl -n shop logs deployment/shop -c zohorelay | tail -1"

say "7. A mail with a From that the mailbox does not own"
show "kubectl -n shop apply -f $here/contact-form.yaml"
show "kubectl -n shop wait --for=condition=Failed --timeout=60s job/contact-form"
show "kubectl -n shop logs job/contact-form -c app | tail -1"
denied=$(now)

say "8. A wrong password never reaches the pods"
show "kubectl -n shop create secret generic billing-zoho --from-literal=password=wrong --dry-run=client -o yaml | kubectl -n shop apply --server-side --force-conflicts -f -"
show "kubectl -n shop wait --for=condition=CredentialsVerified=False --timeout=60s mid/billing"
show "kubectl -n shop get mid"
show "kubectl -n shop get mid billing -o jsonpath='{.status.conditions[?(@.type==\"Ready\")].message}' | fold -sw 116"
echo
mails=$($(zoho mails) | grep -o billing@example.com | wc -l)
until_true 30 "[ \$($(zoho mails) | grep -o billing@example.com | wc -l) -gt $mails ]"
echo "(mail of the Deployment goes on: the last good password serves)"

say "9. Zoho's ledger"
show "$(zoho logins)"
echo

say "10. What whoever is on call has been told of the mail that was denied in 7"
if [[ $watched ]]; then
    until_true 90 "kubectl -n monitoring logs deployment/on-call | grep -q ZohoRelayDenied"
    show "kubectl -n monitoring logs deployment/on-call | fold -sw 116"
    echo "(the application was told $(since "$denied") ago)"
else
    echo "left out: there is no Alertmanager here (tests/prometheus/install)"
fi
trap - ERR
if [[ ${1:-} == --keep ]]; then
    say "It goes on running"
    echo "eval \"\$(make cluster-up)\"     # sets KUBECONFIG and PATH"
    echo "make cluster-down              # stops it"
else
    down
    say "Stopped; nothing is left. \`make demo-cluster-keep\` leaves it running, and docs/quickstart.md tells it step by step."
fi
