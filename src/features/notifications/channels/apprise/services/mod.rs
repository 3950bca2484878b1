//! The services that are spoken to directly, one file for each family.

mod asia;
mod cloud_chat;
mod discord;
mod generic;
mod home;
mod incidents;
mod mail_api;
mod mailto;
mod matrix;
mod messenger;
mod nextcloud;
mod ntfy;
mod oncall;
mod opsgenie;
mod pagerduty;
mod prelude;
mod push;
mod push_more;
mod rocket_chat;
mod ses;
mod slack;
mod sms;
mod team_chat;
mod telegram;

use crate::features::notifications::channels::form::Definition;

static ALL: &[&Definition] = &[
    &discord::DISCORD,
    &slack::SLACK,
    &telegram::TELEGRAM,
    &cloud_chat::TEAMS,
    &ntfy::NTFY,
    &push::GOTIFY,
    &push::PUSHOVER,
    &matrix::MATRIX,
    &team_chat::MATTERMOST,
    &rocket_chat::ROCKET_CHAT,
    &cloud_chat::GOOGLE_CHAT,
    &cloud_chat::WEBEX,
    &cloud_chat::ZULIP,
    &nextcloud::NEXTCLOUD_TALK,
    &team_chat::SYNOLOGY,
    &mailto::MAILTO,
    &mail_api::SENDGRID,
    &mail_api::RESEND,
    &mail_api::MAILGUN,
    &mail_api::SMTP2GO,
    &mail_api::BREVO,
    &mail_api::POSTMARK,
    &ses::SES,
    &pagerduty::PAGERDUTY,
    &opsgenie::OPSGENIE,
    &opsgenie::JIRA,
    &oncall::SPLUNK,
    &oncall::PAGERTREE,
    &oncall::SIGNL4,
    &oncall::SQUADCAST,
    &oncall::GOALERT,
    &incidents::INCIDENT_IO,
    &incidents::BETTER_STACK,
    &incidents::ILERT,
    &incidents::SPIKE,
    &incidents::FIREHYDRANT,
    &sms::TWILIO,
    &sms::VONAGE,
    &sms::MESSAGEBIRD,
    &sms::PLIVO,
    &messenger::SIGNAL,
    &messenger::WHATSAPP,
    &messenger::LINE,
    &home::HOME_ASSISTANT,
    &home::IFTTT,
    &home::MQTT,
    &push::PUSHBULLET,
    &push::BARK,
    &push_more::PROWL,
    &push_more::PUSHY,
    &push_more::JOIN,
    &push_more::SIMPLEPUSH,
    &push_more::SERVERCHAN,
    &asia::DINGTALK,
    &asia::FEISHU,
    &asia::LARK,
    &asia::WECOM,
    &generic::JSON,
    &generic::XML,
    &generic::FORM,
    &generic::APPRISE_API,
];

/// All of them, the best known first.
pub fn definitions() -> &'static [&'static Definition] {
    ALL
}
