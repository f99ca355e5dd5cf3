{{/* Minutes as Prometheus writes a time, divided by prometheusRule.divideWindowsBy: (list MINUTES $). */}}
{{- define "zohorelay.window" -}}
{{- $milliseconds := div (mul (index . 0) 60000) (index . 1).Values.prometheusRule.divideWindowsBy -}}
{{- if eq (mod $milliseconds 3600000) 0 -}}
{{ div $milliseconds 3600000 }}h
{{- else if eq (mod $milliseconds 60000) 0 -}}
{{ div $milliseconds 60000 }}m
{{- else if eq (mod $milliseconds 1000) 0 -}}
{{ div $milliseconds 1000 }}s
{{- else -}}
{{ $milliseconds }}ms
{{- end -}}
{{- end -}}

{{/* The same as a number of seconds. */}}
{{- define "zohorelay.seconds" -}}
{{ divf (mul (index . 0) 60) (index . 1).Values.prometheusRule.divideWindowsBy }}
{{- end -}}

{{/* What was counted within a window, where it is more than 0: by the sidecars, or else by the operator for pods
     that ended between two scrapes. Never the sum of both: a pod may be in both. increase() does not see what a
     process had counted before its first scrape, so a young process counts whole; but not where one before it
     was seen within the window, since then increase() knows of both.
     (dict "by" … "sidecar" … "ended" … "minutes" … "root" $) */}}
{{- define "zohorelay.counted" -}}
sum by ({{ .by }}) (
  (
    {{ .sidecar }}
    and ignoring (identity, class, origin, outcome)
    (
      time() - zohorelay_sidecar_start_time_seconds < {{ include "zohorelay.seconds" (list .minutes .root) }}
      and changes(zohorelay_sidecar_start_time_seconds[{{ include "zohorelay.window" (list .minutes .root) }}]) == 0
    )
  )
  or
  increase({{ .sidecar }}[{{ include "zohorelay.window" (list .minutes .root) }}])
) > 0
or
sum by ({{ .by }}) (
  increase({{ .ended }}[{{ include "zohorelay.window" (list .minutes .root) }}])
) > 0
{{- end -}}

{{- define "zohorelay.countedFailures" -}}
{{ include "zohorelay.counted" (dict "by" "namespace, identity, class" "sidecar" "zohorelay_sidecar_failures_total" "ended" "zohorelay_operator_ended_pod_failures_total" "minutes" (index . 0) "root" (index . 1)) }}
{{- end -}}

{{- define "zohorelay.countedAccepted" -}}
{{ include "zohorelay.counted" (dict "by" "namespace, identity" "sidecar" "zohorelay_sidecar_mails_total{outcome=\"accepted\"}" "ended" "zohorelay_operator_ended_pod_mails_total{outcome=\"accepted\"}" "minutes" (index . 0) "root" (index . 1)) }}
{{- end -}}

{{/* Labels of an alert: its severity. */}}
{{- define "zohorelay.severity" -}}
labels:
  severity: {{ . }}
{{- end -}}

{{/* The section of an alert in docs/alerts.md: (list NAME $). */}}
{{- define "zohorelay.runbook" -}}
runbook_url: {{ (index . 1).Values.prometheusRule.runbookUrl }}#{{ lower (index . 0) }}
{{- end -}}
