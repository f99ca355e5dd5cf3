{{/* Which pods ask for the sidecar, and where: the same for the webhook and for the policy that checks its work. */}}
{{- define "zohorelay.pods" -}}
matchPolicy: Equivalent
objectSelector:
  matchLabels:
    zohorelay.dev/inject: "true"
namespaceSelector:
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values: [kube-system, {{ .Release.Namespace }}]
    {{- if eq .Values.rbac.scope "Namespaces" }}
    - key: kubernetes.io/metadata.name
      operator: In
      values: {{ toJson .Values.rbac.namespaces }}
    {{- end }}
{{- end -}}

{{/* What no schema can say. */}}
{{- define "zohorelay.check" -}}
{{- if eq .Values.rbac.scope "Namespaces" -}}
{{- if not .Values.rbac.namespaces -}}
{{- fail "rbac.namespaces: name at least one namespace, or set rbac.scope to Cluster" -}}
{{- end -}}
{{- if has .Release.Namespace .Values.rbac.namespaces -}}
{{- fail (printf "rbac.namespaces: %s is the release's own namespace, whose pods are never given the sidecar; install the release into a namespace of its own" .Release.Namespace) -}}
{{- end -}}
{{- else if .Values.rbac.namespaces -}}
{{- fail "rbac.namespaces: is for rbac.scope Namespaces only; set the scope, or remove the names" -}}
{{- end -}}
{{- if eq (int .Values.webhook.port) 9465 -}}
{{- fail "webhook.port: 9465 is where metrics and health are; take another, as 9443" -}}
{{- else if eq (int .Values.webhook.port) 9466 -}}
{{- fail "webhook.port: 9466 is where the page is; take another, as 9443" -}}
{{- end -}}
{{- if eq (include "zohorelay.certSource" .) "secret" -}}
{{- if not .Values.webhook.secretName -}}
{{- fail "webhook.secretName: name the Secret with tls.crt and tls.key, since webhook.certSource is secret" -}}
{{- end -}}
{{- if not .Values.webhook.caBundle -}}
{{- fail "webhook.caBundle: give the PEM of the certificate's issuer, since webhook.certSource is secret" -}}
{{- end -}}
{{- else if and .Values.webhook.caBundle (ne .Values.webhook.certSource "secret") -}}
{{- fail "webhook.caBundle: is for webhook.certSource secret only; elsewhere it is kept up to date in the cluster" -}}
{{- end -}}
{{- end -}}
