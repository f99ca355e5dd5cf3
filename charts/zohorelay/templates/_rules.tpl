{{/* What the operator may do where identities and pods are. */}}
{{- define "zohorelay.rules" -}}
# The identities to look after.
- apiGroups: [zohorelay.dev]
  resources: [mailidentities]
  verbs: [list, watch]
# What became of them.
- apiGroups: [zohorelay.dev]
  resources: [mailidentities/status]
  verbs: [patch]
# get, list, watch: the password that an identity names, and word that it changed. list and watch grant
# the content of every Secret in scope, although the operator watches names only.
# create, patch: the rendered Secret of an identity; a policy allows nothing else.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch]
# Which pods asked for the sidecar, have it, and where their summary is.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# What happened, on identities and pods.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
