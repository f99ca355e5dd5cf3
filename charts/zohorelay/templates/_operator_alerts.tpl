{{/* What the operator says of identities and pods, and what is wrong with itself. */}}
{{- define "zohorelay.operatorAlerts" -}}
{{- $severities := .Values.prometheusRule.severities }}
{{- $thresholds := .Values.prometheusRule.thresholds }}
{{- with $severities.identityNotReady }}
- alert: ZohoRelayIdentityNotReady
  expr: max by (namespace, identity) (zohorelay_operator_identity_ready) == 0
  for: {{ include "zohorelay.window" (list 15 $) }}
  {{- include "zohorelay.severity" . | nindent 2 }}
  annotations:
    summary: >-
      The mail identity << $labels.namespace >>/<< $labels.identity >> is not ready.
    description: >-
      The operator cannot give pods this identity as it is declared now. Pods that have an earlier one go on with it;
      others cannot send.
      Remedy: kubectl -n << $labels.namespace >> describe mailidentity << $labels.identity >> names the cause and what
      to do, in the message of the condition Ready.
    {{- include "zohorelay.runbook" (list "ZohoRelayIdentityNotReady" $) | nindent 4 }}
{{- end }}
{{- with $severities.podsWithoutSidecar }}
- alert: ZohoRelayPodsWithoutSidecar
  expr: max by (namespace, identity) (zohorelay_operator_pods{state="missing"}) > 0
  for: {{ include "zohorelay.window" (list 10 $) }}
  {{- include "zohorelay.severity" . | nindent 2 }}
  annotations:
    summary: >-
      Pods (<< $value >>) asked for the sidecar with << $labels.namespace >>/<< $labels.identity >> and have none.
    description: >-
      {{- if $.Values.webhook.enabled }}
      They cannot send: nothing listens on their port 2525. They were made while the webhook was away, or were
      labelled later.
      Remedy: make them anew with kubectl -n << $labels.namespace >> rollout restart of their Deployment; kubectl -n
      << $labels.namespace >> get events names them (SidecarMissing). If the new ones have none either, look at the
      webhook: kubectl get mutatingwebhookconfigurations, and the operator's log.
      {{- else }}
      They cannot send: nothing listens on their port 2525. This release has no webhook, so their manifest lacks it.
      Remedy: put the manifest of their Deployment through zohorelay-operator inject, and apply it; kubectl -n
      << $labels.namespace >> get events names them (SidecarMissing).
      {{- end }}
    {{- include "zohorelay.runbook" (list "ZohoRelayPodsWithoutSidecar" $) | nindent 4 }}
{{- end }}
{{- if and $severities.webhookCertificateEnds .Values.webhook.enabled }}
- alert: ZohoRelayWebhookCertificateEnds
  expr: |
    min(zohorelay_operator_webhook_certificate_not_after_seconds{namespace="{{ .Release.Namespace }}"} > 0) - time()
    < {{ $thresholds.webhookCertificateDays }} * 86400
  for: {{ include "zohorelay.window" (list 60 $) }}
  {{- include "zohorelay.severity" $severities.webhookCertificateEnds | nindent 2 }}
  annotations:
    summary: >-
      The certificate of zohorelay's webhook << if gt $value 0.0 >>ends in << $value | humanizeDuration >><< else >>has
      ended<< end >> and was not renewed.
    description: >-
      After its end the API server calls the webhook no more: pods that ask for the sidecar cannot start. Pods that run
      go on sending.
      {{- if eq .Values.webhook.certSource "internal" }}
      Remedy: kubectl -n {{ .Release.Namespace }} logs deployment/{{ include "zohorelay.operator" . }} says why the
      operator did not renew it; mostly it lacks a right on its Secret. kubectl -n {{ .Release.Namespace }} rollout
      restart deployment/{{ include "zohorelay.operator" . }} tries it again.
      {{- else if eq .Values.webhook.certSource "cert-manager" }}
      Remedy: kubectl -n {{ .Release.Namespace }} describe certificate {{ include "zohorelay.webhook" . }} says why
      cert-manager did not renew it.
      {{- else }}
      Remedy: put a new certificate into the Secret {{ include "zohorelay.webhookSecret" . }} in
      {{ .Release.Namespace }}, and its issuer into the value webhook.caBundle.
      {{- end }}
    {{- include "zohorelay.runbook" (list "ZohoRelayWebhookCertificateEnds" .) | nindent 4 }}
{{- end }}
{{- with $severities.operatorDown }}
- alert: ZohoRelayOperatorDown
  expr: (sum(zohorelay_operator_leader{namespace="{{ $.Release.Namespace }}"}) or vector(0)) < 1
  for: {{ include "zohorelay.window" (list 5 $) }}
  {{- include "zohorelay.severity" . | nindent 2 }}
  annotations:
    summary: >-
      No operator of zohorelay leads, or none is scraped.
    description: >-
      Pods that run go on sending. Changed identities and passwords do not reach them, and pods that ask for the
      sidecar may not start.
      Remedy: kubectl -n {{ $.Release.Namespace }} get pods and kubectl -n {{ $.Release.Namespace }} logs
      deployment/{{ include "zohorelay.operator" $ }} say why. If the operator runs, Prometheus does not scrape it: look
      at its targets, and at NetworkPolicies for port 9465.
    {{- include "zohorelay.runbook" (list "ZohoRelayOperatorDown" $) | nindent 4 }}
{{- end }}
{{- end -}}
