{{- define "zohorelay.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Leaves room for the longest ending within 63 characters. */}}
{{- define "zohorelay.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "zohorelay.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "zohorelay.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The Deployment, its Lease and its roles. */}}
{{- define "zohorelay.operator" -}}
{{ include "zohorelay.fullname" . }}-operator
{{- end -}}

{{/* The webhook's Service and, by default, its Secret. */}}
{{- define "zohorelay.webhook" -}}
{{ include "zohorelay.fullname" . }}-webhook
{{- end -}}

{{- define "zohorelay.webhookSecret" -}}
{{ .Values.webhook.secretName | default (include "zohorelay.webhook" .) }}
{{- end -}}

{{/* internal, cert-manager or secret; none without a webhook. */}}
{{- define "zohorelay.certSource" -}}
{{ ternary .Values.webhook.certSource "none" .Values.webhook.enabled }}
{{- end -}}

{{- define "zohorelay.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (ternary (include "zohorelay.operator" .) "default" .Values.serviceAccount.create) }}
{{- end -}}

{{- define "zohorelay.selectorLabels" -}}
app.kubernetes.io/name: {{ include "zohorelay.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "zohorelay.labels" -}}
app.kubernetes.io/name: {{ include "zohorelay.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* Labels and annotations: (dict "root" $ "labels" … "annotations" …). Where two have a key, the chart's own wins. */}}
{{- define "zohorelay.marks" -}}
labels:
  {{- merge (include "zohorelay.labels" .root | fromYaml) (.labels | default dict) .root.Values.commonLabels | toYaml | nindent 2 }}
{{- with merge dict (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Metadata of an object: (dict "name" … "root" $), "namespace" where it is not the release's, "cluster" true
     where it has none, and what zohorelay.marks takes. */}}
{{- define "zohorelay.metadata" -}}
name: {{ .name }}
{{- if not .cluster }}
namespace: {{ .namespace | default .root.Release.Namespace }}
{{- end }}
{{ include "zohorelay.marks" . }}
{{- end -}}

{{/* An image's name: (dict "image" … "root" $). */}}
{{- define "zohorelay.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}
