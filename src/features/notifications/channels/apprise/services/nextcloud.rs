//! Nextcloud Talk.

use super::prelude::*;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Nextcloud Talk.
pub static NEXTCLOUD_TALK: Definition = Definition {
    id: "nctalk",
    name: "Nextcloud Talk",
    schemes: &["nctalk", "nctalks"],
    docs: "https://nextcloud-talk.readthedocs.io/en/latest/chat/#sending-a-new-chat-message",
    example: "nctalks://user:password@cloud.example.org/room",
    fields: &[
        HOST,
        PORT,
        TLS,
        USER,
        PASSWORD.help("An app password (Settings, Security) rather than your own."),
        Field::secret("secret", "Bot secret", Place::Query("secret"))
            .help("Instead of a name and a password, for a bot that was installed with it."),
        Field::list("rooms", "Rooms", Place::Targets(0))
            .required()
            .help("The last part of a conversation's address."),
        Field::text("prefix", "Path of the server", Place::Query("url_prefix"))
            .help("Only if Nextcloud is not at the root."),
        Field::boolean("silent", "Without a sound", Place::Query("silent")),
        Field::pairs("headers", "Headers", Place::QueryPrefix('+')),
    ],
    limits: Limits::new(0, 15_000, 500),
    build: |fields| {
        if fields.given("secret").is_none() && fields.given("user").is_none() {
            return Err(Misfit::new(
                "user",
                "a name and a password, or a bot's secret are needed",
            ));
        }
        plain(fields, requests)
    },
    ..Definition::PLAIN
};

fn requests(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    // @all would call everybody.
    let safe = message.escaped(|text| text.replace('@', "@\u{200b}"));
    let text = Words::of(&safe, NEXTCLOUD_TALK.limits, Acknowledge::InText).body;
    let secret = fields.given("secret");
    let base = match secret {
        Some(_) => server(fields)?,
        None => server_with_login(fields)?,
    };
    let is_silent = fields.is_on("silent") || message.priority == Priority::Low;
    let mut requests = Vec::new();
    for room in fields.list("rooms") {
        let mut path = segments(fields, "prefix");
        path.extend(["ocs", "v2.php", "apps", "spreed", "api", "v1"]);
        match secret {
            Some(_) => path.extend(["bot", room, "message"]),
            None => path.extend(["chat", room]),
        }
        let url = under(base.clone(), &path)?;
        // Receivers know a repetition by the reference.
        let mut body = json!({
            "message": text,
            "referenceId": message.id.simple().to_string(),
        });
        if is_silent {
            body["silent"] = true.into();
        }
        let mut request = Request::post_json(url, body)
            .header("OCS-APIRequest", "true")
            .header("Accept", "application/json");
        if let Some(secret) = secret {
            let random = message.id.simple().to_string().repeat(2);
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
                .map_err(|_| Misfit::new("secret", "it cannot be used as a key"))?;
            mac.update(random.as_bytes());
            mac.update(text.as_bytes());
            let signature = hex::encode(mac.finalize().into_bytes());
            request = request
                .header("X-Nextcloud-Talk-Bot-Random", random)
                .header("X-Nextcloud-Talk-Bot-Signature", signature);
        }
        requests.push(with_headers(fields, request)?);
    }
    Ok(requests)
}
