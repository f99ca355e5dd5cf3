{{/* The operator's command line, one argument a line. */}}
{{- define "zohorelay.args" -}}
{{- $args := list "run"
  (printf "--operator-namespace=%s" .Release.Namespace)
  (printf "--deployment=%s" (include "zohorelay.operator" .))
  (printf "--lease=%s" (include "zohorelay.operator" .))
  "--replica=$(POD_NAME)"
  "--admin=[::]:9465"
  "--page=127.0.0.1:9466"
  (printf "--login-interval=%s" .Values.logins.interval)
  (printf "--domain-login-interval=%s" .Values.logins.domainInterval)
  (printf "--log=%s" .Values.logLevel)
  (printf "--log-format=%s" .Values.logFormat)
-}}
{{- range .Values.rbac.namespaces }}{{ $args = append $args (printf "--watch-namespace=%s" .) }}{{ end -}}
{{- range .Values.allowedUpstreamHosts }}{{ $args = append $args (printf "--allowed-upstream-host=%s" .) }}{{ end -}}
{{- $webhook := include "zohorelay.webhookArgs" . | fromJsonArray -}}
{{- $sidecar := include "zohorelay.sidecarArgs" . | fromJsonArray -}}
{{- concat $args $webhook $sidecar .Values.extraArgs | toYaml -}}
{{- end -}}

{{- define "zohorelay.webhookArgs" -}}
{{- $args := list "--no-webhook" -}}
{{- if .Values.webhook.enabled -}}
{{- $args = list
  (printf "--webhook=[::]:%d" (int .Values.webhook.port))
  (printf "--webhook-service=%s" (include "zohorelay.webhook" .))
  (printf "--webhook-configuration=%s" (include "zohorelay.fullname" .))
  (printf "--webhook-secret=%s" (include "zohorelay.webhookSecret" .))
  (printf "--cert-source=%s" .Values.webhook.certSource)
-}}
{{- range .Values.webhook.extraSans }}{{ $args = append $args (printf "--webhook-extra-san=%s" .) }}{{ end -}}
{{- end -}}
{{- toJson $args -}}
{{- end -}}

{{- define "zohorelay.sidecarArgs" -}}
{{- $sidecar := .Values.sidecar -}}
{{- $args := list
  (printf "--sidecar-image=%s" (include "zohorelay.image" (dict "image" $sidecar.image "root" .)))
  (printf "--sidecar-run-as-user=%s" (ternary "none" (toString (int64 $sidecar.runAsUser)) (empty $sidecar.runAsUser)))
  (printf "--sidecar-cpu-request=%v" $sidecar.resources.requests.cpu)
  (printf "--sidecar-memory-request=%s" $sidecar.resources.requests.memory)
  (printf "--sidecar-memory-limit=%s" $sidecar.resources.limits.memory)
  (printf "--sidecar-log=%s" $sidecar.logLevel)
-}}
{{- with $sidecar.resources.limits.cpu }}{{ $args = append $args (printf "--sidecar-cpu-limit=%v" .) }}{{ end -}}
{{- with $sidecar.image.pullPolicy }}{{ $args = append $args (printf "--sidecar-image-pull-policy=%s" .) }}{{ end -}}
{{- range $sidecar.imagePullSecrets }}{{ $args = append $args (printf "--sidecar-image-pull-secret=%s" .name) }}{{ end -}}
{{- toJson $args -}}
{{- end -}}
