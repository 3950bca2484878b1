//! Discord: webhooks of a channel.

use super::prelude::*;

/// Discord.
pub static DISCORD: Definition = Definition {
    id: "discord",
    name: "Discord",
    schemes: &["discord"],
    docs: "https://discord.com/developers/docs/resources/webhook#execute-webhook",
    example: "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    fields: &[
        Field::text("webhook_id", "Webhook id", Place::Host)
            .required()
            .help("Channel settings, Integrations, Webhooks: the number in the webhook's address.")
            .example("4174216298"),
        Field::secret("webhook_token", "Webhook token", Place::Path(0))
            .required()
            .help("What follows the number in that address."),
        Field::text("name", "Shown as", Place::User).help("Empty: as the webhook is called."),
        Field::text("thread", "Thread id", Place::Query("thread"))
            .help("Only for a message in a thread of the channel."),
    ],
    limits: Limits::new(256, 4_096, 400),
    build: |fields| plain(fields, requests),
    native: Some(native),
    ..Definition::PLAIN
};

fn native(url: &Url) -> Option<Fields> {
    let host = url.host_str()?;
    let is_discord = [
        "discord.com",
        "discordapp.com",
        "canary.discord.com",
        "ptb.discord.com",
    ];
    let path: Vec<_> = url.path_segments()?.collect();
    let ["api", rest @ ..] = path.as_slice() else {
        return None;
    };
    // The version is optional: /api/v10/webhooks/…
    let rest = match rest {
        [version, rest @ ..] if version.starts_with('v') => rest,
        rest => rest,
    };
    let ["webhooks", id, token, ..] = rest else {
        return None;
    };
    let mut fields = Fields::default();
    fields.set("webhook_id", *id);
    fields.set("webhook_token", *token);
    if let Some((_, thread)) = url.query_pairs().find(|(name, _)| name == "thread_id") {
        fields.set("thread", thread.as_ref());
    }
    is_discord.contains(&host).then_some(fields)
}

fn requests(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    let words = Words::of(message, DISCORD.limits, Acknowledge::Apart);
    let id = fields.text("webhook_id");
    if !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Misfit::new("webhook_id", "it is a number"));
    }
    let mut url = at(
        "https://discord.com/api/webhooks",
        &[id, fields.text("webhook_token")],
    )?;
    // Only then does it say whether the message is there.
    url.query_pairs_mut().append_pair("wait", "true");
    if let Some(thread) = fields.given("thread") {
        url.query_pairs_mut().append_pair("thread_id", thread);
    }
    let mut embed = json!({
        "title": markdown_short(&words.title),
        "description": linked_markdown(&words.body, message, DISCORD.limits.body_chars),
        "color": message.tone.color(),
        "timestamp": message.occurred_at.to_rfc3339(),
    });
    // It refuses a message that leads to a machine without a public name.
    if let Some(link) = message.link.as_ref().filter(|url| is_public_name(url)) {
        embed["url"] = link.as_str().into();
    }
    // Nothing that an event says may call people.
    let mut body = json!({ "embeds": [embed], "allowed_mentions": { "parse": [] } });
    if let Some(name) = fields.given("name") {
        body["username"] = cut(name, 80).into();
    }
    Ok(vec![Request::post_json(url, body)])
}

fn markdown_short(title: &str) -> String {
    cut(&markdown(title), DISCORD.limits.title_chars)
}
