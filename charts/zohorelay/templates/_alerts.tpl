{{/* The groups of rules. << … >> becomes Prometheus's own {{ … }} in prometheusrule.yaml. An alert without a
     severity is left out. */}}
{{- define "zohorelay.ruleGroups" -}}
- name: {{ include "zohorelay.fullname" . }}-mail
  rules:
    {{- include "zohorelay.countingRules" . | nindent 4 }}
    {{- include "zohorelay.refusalAlerts" . | trim | nindent 4 }}
    {{- include "zohorelay.wayAlerts" . | trim | nindent 4 }}
{{- with include "zohorelay.operatorAlerts" . | trim }}
- name: {{ include "zohorelay.fullname" $ }}-operator
  rules:
    {{- . | nindent 4 }}
{{- end }}
{{- end -}}

{{/* Failures by class, and mails that went through, in a short, a medium and a long window. */}}
{{- define "zohorelay.countingRules" -}}
- record: zohorelay:failures:short
  expr: |
    {{- include "zohorelay.countedFailures" (list 5 .) | nindent 4 }}
- record: zohorelay:failures:medium
  expr: |
    {{- include "zohorelay.countedFailures" (list 15 .) | nindent 4 }}
- record: zohorelay:failures:long
  expr: |
    {{- include "zohorelay.countedFailures" (list 60 .) | nindent 4 }}
- record: zohorelay:accepted:medium
  expr: |
    {{- include "zohorelay.countedAccepted" (list 15 .) | nindent 4 }}
- record: zohorelay:accepted:long
  expr: |
    {{- include "zohorelay.countedAccepted" (list 60 .) | nindent 4 }}
# Without what is the fault of a single mail.
- record: zohorelay:failed:medium
  expr: |
    sum by (namespace, identity) (
      zohorelay:failures:medium{class!~"app_gone|framing|recipient_refused|too_large|too_many_recipients"}
    )
- record: zohorelay:failed:long
  expr: |
    sum by (namespace, identity) (
      zohorelay:failures:long{class!~"app_gone|framing|recipient_refused|too_large|too_many_recipients"}
    )
{{- end -}}

{{/* What Zoho, or the sidecar in its place, refuses. */}}
{{- define "zohorelay.refusalAlerts" -}}
{{- $severities := .Values.prometheusRule.severities }}
{{- $thresholds := .Values.prometheusRule.thresholds }}
{{- with $severities.denied }}
- alert: ZohoRelayDenied
  expr: zohorelay:failures:short{class=~"relay_denied|sender_refused"} >= {{ $thresholds.deniedMails }}
  {{- include "zohorelay.severity" . | nindent 2 }}
  annotations:
    summary: >-
      Mails of << $labels.namespace >>/<< $labels.identity >> are refused for their From address.
    description: >-
      << if eq $labels.class "sender_refused" ->>
      The sidecar refused mails (about << $value | printf "%.0f" >>) before Zoho saw them: their From is none of the
      addresses of the identity << $labels.identity >>.
      Remedy: set the application's From to one of them, which kubectl -n << $labels.namespace >> describe
      mailidentity << $labels.identity >> lists. If Zoho knows the address as an alias, add it to spec.aliases.
      Where the application cannot be changed, set spec.senderPolicy.foreignFrom to Rewrite.
      <<- else ->>
      Zoho refused to relay mails (about << $value | printf "%.0f" >>): it does not let the mailbox of the identity
      << $labels.identity >> send as their From.
      Remedy: in Zoho, as this mailbox, open Settings > Mail Accounts > Send Mail As and add the address, or have the
      admin add it to the user as an alias. Or take it out of spec.aliases, and set the application's From to the
      mailbox's own address.
      <<- end >>
      These mails are lost unless the application sends them again; its log has the refusal with the address.
    {{- include "zohorelay.runbook" (list "ZohoRelayDenied" $) | nindent 4 }}
{{- end }}
{{- with $severities.loginRefused }}
- alert: ZohoRelayLoginRefused
  expr: |
    max by (namespace, identity) (zohorelay:failures:short{class="auth_failed"})
    or
    max by (namespace, identity) (
      zohorelay_sidecar_breaker_open{reason="auth_failed"} == 1
      and ignoring (reason, result) zohorelay_sidecar_logins_total{result="refused"} > 0
    )
  {{- include "zohorelay.severity" . | nindent 2 }}
  annotations:
    summary: >-
      Zoho refuses the login of << $labels.namespace >>/<< $labels.identity >>: nothing is sent.
    description: >-
      The password or the user name of the identity << $labels.identity >> is wrong for its server. Applications
      are told to try again, and logins pause, since more of them block the account.
      Remedy: at Zoho, as this user, open Security > App Passwords, make a new one, and put it without blanks into
      the Secret that kubectl -n << $labels.namespace >> describe mailidentity << $labels.identity >> names.
      If the password is right, compare the data centre: the end of the address that the browser shows after a
      login at Zoho (mail.zoho.eu: EU). Pods take the change by themselves within about two minutes.
    {{- include "zohorelay.runbook" (list "ZohoRelayLoginRefused" $) | nindent 4 }}
{{- end }}
{{- with $severities.accountBlocked }}
- alert: ZohoRelayAccountBlocked
  expr: |
    max by (namespace, identity) (zohorelay:failures:short{class="account_blocked"})
    or
    max by (namespace, identity) (zohorelay_sidecar_breaker_open{reason="account_blocked"}) == 1
  {{- include "zohorelay.severity" . | nindent 2 }}
  annotations:
    summary: >-
      Zoho has blocked the mailbox of << $labels.namespace >>/<< $labels.identity >>: nothing is sent.
    description: >-
      Zoho blocked outgoing mail of this account, mostly for too many mails in too short a time. Applications are
      told to try again, and the sidecars wait, since attempts prolong a block.
      Remedy: as this user open mail.zoho.com/UnblockMe (with the end of your data centre: .eu, .in) and follow it,
      or as admin Admin Console > Security & Compliance > Blocked Accounts > unblock. Then send slower:
      spec.limits.messagesPerHour of the identity << $labels.identity >>, which counts in each pod by itself.
    {{- include "zohorelay.runbook" (list "ZohoRelayAccountBlocked" $) | nindent 4 }}
{{- end }}
{{- with $severities.rateLimited }}
- alert: ZohoRelayRateLimited
  expr: max by (namespace, identity) (zohorelay:failures:medium{class="rate_limited"}) >= {{ $thresholds.rateLimitedMails }}
  {{- include "zohorelay.severity" . | nindent 2 }}
  annotations:
    summary: >-
      << $labels.namespace >>/<< $labels.identity >> sends more than Zoho takes.
    description: >-
      Zoho deferred mails (about << $value | printf "%.0f" >> in a quarter of an hour) as too many. The sidecars
      wait ten minutes or more after each; if it goes on, Zoho blocks the account.
      Remedy: lower spec.limits.messagesPerHour of the identity << $labels.identity >> (it counts in each pod: divide
      it by the number of pods), give loud applications a mailbox of their own, or send quantities through ZeptoMail.
    {{- include "zohorelay.runbook" (list "ZohoRelayRateLimited" $) | nindent 4 }}
{{- end }}
{{- with $severities.unknownOutcome }}
- alert: ZohoRelayUnknownOutcome
  expr: max by (namespace, identity) (zohorelay:failures:medium{class="unknown_outcome"}) >= {{ $thresholds.unknownMails }}
  {{- include "zohorelay.severity" . | nindent 2 }}
  annotations:
    summary: >-
      Nobody knows whether Zoho took some mails of << $labels.namespace >>/<< $labels.identity >>.
    description: >-
      Mails (about << $value | printf "%.0f" >>) were sent whole, and then Zoho's reply was lost. The application was
      told what spec.delivery.unknownOutcome says: Retry may have sent a mail twice, Fail may have lost one.
      Remedy: find their Message-IDs (kubectl -n << $labels.namespace >> logs POD -c zohorelay, lines with
      unknown_outcome), and look them up in the Sent folder of the mailbox. If it goes on, something between the pods
      and Zoho cuts long connections: a proxy, NAT or firewall.
    {{- include "zohorelay.runbook" (list "ZohoRelayUnknownOutcome" $) | nindent 4 }}
{{- end }}
{{- end -}}

{{/* What is in the way between a pod and Zoho. */}}
{{- define "zohorelay.wayAlerts" -}}
{{- $severities := .Values.prometheusRule.severities }}
{{- $thresholds := .Values.prometheusRule.thresholds }}
{{- with $severities.egressBlocked }}
- alert: ZohoRelayEgressBlocked
  expr: sum by (namespace) (zohorelay_sidecar_egress_blocked) > 0
  for: {{ include "zohorelay.window" (list 5 $) }}
  {{- include "zohorelay.severity" . | nindent 2 }}
  annotations:
    summary: >-
      Pods of << $labels.namespace >> (<< $value >>) reach no mail server: connections time out on 465 and on 587.
    description: >-
      A NetworkPolicy, a firewall or the cloud drops mail ports. Applications are told to try again. Some of the pods:
      << range $at, $sample := printf "topk(3, zohorelay_sidecar_egress_blocked{namespace='%s'} == 1)" $labels.namespace | query | sortByLabel "pod" ->>
      << if $at >>, << end >><< .Labels.pod >>
      <<- end >>.
      Remedy: allow TCP to the ports 465 and 587, and DNS, in the NetworkPolicies of << $labels.namespace >> and in the
      firewall of the nodes; if none of these is in the way, ask the cloud provider to open them for the account.
    {{- include "zohorelay.runbook" (list "ZohoRelayEgressBlocked" $) | nindent 4 }}
{{- end }}
{{- with $severities.certificateTrouble }}
- alert: ZohoRelayCertificateTrouble
  expr: max by (namespace, identity) (zohorelay:failures:medium{class="tls"}) >= {{ $thresholds.tlsFailedMails }}
  {{- include "zohorelay.severity" . | nindent 2 }}
  annotations:
    summary: >-
      << $labels.namespace >>/<< $labels.identity >> makes no secure connection to its mail server.
    description: >-
      TLS failed (for about << $value | printf "%.0f" >> mails in a quarter of an hour): the certificate is not that
      of the server, or port and security do not fit each other. Neither mails nor the password were sent.
      Remedy: kubectl -n << $labels.namespace >> logs POD -c zohorelay says what is wrong with the certificate. A proxy
      that opens TLS must let this server through; a private authority belongs into spec.server.caBundle of the
      identity << $labels.identity >>; 465 goes with ImplicitTls, 587 with StartTls; and the node's clock must be right.
    {{- include "zohorelay.runbook" (list "ZohoRelayCertificateTrouble" $) | nindent 4 }}
{{- end }}
{{- with $severities.noSuccess }}
- alert: ZohoRelayNoSuccess
  # Two windows: nothing goes through now, and it is no hiccup.
  expr: |
    (
      zohorelay:failed:medium
      unless on (namespace, identity) zohorelay:accepted:medium
    )
    and on (namespace, identity) (
      zohorelay:failed:long >= {{ $thresholds.failedMails }}
      unless on (namespace, identity)
      100 * zohorelay:accepted:long > {{ sub 100 $thresholds.failedPercent }} * (zohorelay:accepted:long + zohorelay:failed:long)
    )
  for: {{ include "zohorelay.window" (list 5 $) }}
  {{- include "zohorelay.severity" . | nindent 2 }}
  annotations:
    summary: >-
      No mail of << $labels.namespace >>/<< $labels.identity >> goes through, although mails are tried.
    description: >-
      Mails failed (about << $value | printf "%.0f" >> in a quarter of an hour) and none was taken, and in the last
      hour most of them failed. Why, by class:
      << range $at, $sample := printf "zohorelay:failures:long{namespace='%s',identity='%s'}" $labels.namespace $labels.identity | query | sortByLabel "class" ->>
      << if $at >>, << end >><< .Labels.class >> (<< .Value | printf "%.0f" >>)
      <<- end >>.
      Remedy: kubectl -n << $labels.namespace >> describe mailidentity << $labels.identity >> says what is wrong with
      the identity; docs/troubleshooting.md has cause and cure of each class.
    {{- include "zohorelay.runbook" (list "ZohoRelayNoSuccess" $) | nindent 4 }}
{{- end }}
{{- with $severities.breakerOpen }}
- alert: ZohoRelayBreakerOpen
  expr: |
    max by (namespace, identity, reason) (zohorelay_sidecar_breaker_open) == 1
    and on (namespace, identity) zohorelay:failures:long{class="held"}
  for: {{ include "zohorelay.window" (list 15 $) }}
  {{- include "zohorelay.severity" . | nindent 2 }}
  annotations:
    summary: >-
      Mails of << $labels.namespace >>/<< $labels.identity >> are held back (<< $labels.reason >>).
    description: >-
      For a quarter of an hour or longer pods of the identity << $labels.identity >> have sent nothing and told
      applications to try again, because of << $labels.reason >>: trying on would make it worse.
      << if eq $labels.reason "hold" ->>
      One pod met a refusal that concerns all, so that all wait.
      <<- else ->>
      After a pause that doubles with each refusal one mail is let through as a trial.
      <<- end >>
      Remedy: mend the cause; kubectl -n << $labels.namespace >> describe mailidentity << $labels.identity >> and the
      other alerts of this identity name it. A changed password or server ends the pause at once. Once the cause is
      mended at Zoho, so does
      kubectl -n << $labels.namespace >> annotate --overwrite mid << $labels.identity >> zohorelay.dev/release-hold=$(date +%s)
    {{- include "zohorelay.runbook" (list "ZohoRelayBreakerOpen" $) | nindent 4 }}
{{- end }}
{{- with $severities.configStale }}
- alert: ZohoRelayConfigStale
  expr: |
    sum by (namespace, identity) (zohorelay_sidecar_config_stale) > 0
    or
    count by (namespace, identity) (
      zohorelay_sidecar_config_revision
      < on (namespace, identity) group_left ()
      max by (namespace, identity) (zohorelay_sidecar_config_revision)
    )
  for: {{ include "zohorelay.window" (list 15 $) }}
  {{- include "zohorelay.severity" . | nindent 2 }}
  annotations:
    summary: >-
      Pods (<< $value >>) do not have the newest configuration of << $labels.namespace >>/<< $labels.identity >>.
    description: >-
      They go on with an older one, or send nothing if they had none: a changed password or address has not reached
      them, or their document cannot be read.
      Remedy: kubectl -n << $labels.namespace >> logs POD -c zohorelay says why. A mount with subPath is never updated:
      mount the whole Secret. A pod that stays behind takes the newest document when it is made anew
      (kubectl rollout restart).
    {{- include "zohorelay.runbook" (list "ZohoRelayConfigStale" $) | nindent 4 }}
{{- end }}
{{- end -}}
