//! Robots in the group chats of DingTalk, Feishu, Lark and WeCom.

use super::prelude::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// DingTalk.
pub static DINGTALK: Definition = Definition {
    id: "dingtalk",
    name: "DingTalk",
    schemes: &["dingtalk"],
    docs: "https://open.dingtalk.com/document/orgapp/custom-robots-send-group-messages",
    example: "dingtalk://secret@accesstoken",
    fields: &[
        Field::secret("token", "Access token", Place::Host)
            .required()
            .help("What follows access_token= in the robot's address."),
        Field::secret("secret", "Secret", Place::User)
            .help("If the robot's security is a signature: SEC…"),
        Field::list("mobiles", "Mention", Place::Targets(0)).help("Numbers of phones."),
    ],
    limits: Limits::new(0, 18_000, 3_000),
    build: |fields| {
        judged_by(fields, dingtalk, |status, body| {
            let code = |said: &Value| said["errcode"].as_i64().unwrap_or(0);
            if status != 200 {
                return None;
            }
            // Busy, and too many messages.
            judged(
                body,
                |said| code(said) == 0,
                |said| matches!(code(said), -1 | 130_101 | 410_100),
            )
        })
    },
    native: Some(|url| {
        let (_, token) = url.query_pairs().find(|(name, _)| name == "access_token")?;
        let mut fields = Fields::default();
        fields.set("token", token.as_ref());
        (url.host_str() == Some("oapi.dingtalk.com")).then_some(fields)
    }),
    ..Definition::PLAIN
};

fn signature(key: &[u8], text: &[u8]) -> Result<String, Misfit> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|_| Misfit::new("secret", "it cannot be used as a key"))?;
    mac.update(text);
    Ok(STANDARD.encode(mac.finalize().into_bytes()))
}

fn dingtalk(
    fields: &Fields,
    message: &Message,
    now: DateTime<Utc>,
) -> Result<Vec<Request>, Misfit> {
    let words = Words::of_bytes(message, DINGTALK.limits, Acknowledge::InText);
    let mut url = at("https://oapi.dingtalk.com/robot/send", &[])?;
    url.query_pairs_mut()
        .append_pair("access_token", fields.text("token"));
    if let Some(secret) = fields.given("secret") {
        let time = now.timestamp_millis().to_string();
        let sign = signature(secret.as_bytes(), format!("{time}\n{secret}").as_bytes())?;
        url.query_pairs_mut()
            .append_pair("timestamp", &time)
            .append_pair("sign", &sign);
    }
    let body = json!({
        "msgtype": "text",
        "text": { "content": words.body },
        "at": { "atMobiles": fields.list("mobiles"), "isAtAll": false },
    });
    Ok(vec![Request::post_json(url, body)])
}

const WEBHOOK: Field = Field::secret("token", "Webhook", Place::Host)
    .required()
    .help("The last part of the robot's address.");

/// Feishu.
pub static FEISHU: Definition = Definition {
    id: "feishu",
    name: "Feishu",
    schemes: &["feishu"],
    docs: "https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot",
    example: "feishu://b1c2d3e4-0000-4000-8000-abcdefabcdef",
    fields: &[
        WEBHOOK,
        Field::secret("secret", "Secret", Place::Custom)
            .help("If the robot's security is a signature."),
    ],
    limits: Limits::new(0, 18_000, 1_000),
    build: |fields| {
        judged_by(
            fields,
            |fields, message, now| feishu("https://open.feishu.cn", fields, message, now),
            feishu_judge,
        )
    },
    parse: Some(|url| feishu_parse(&FEISHU, url)),
    compose: Some(|fields| feishu_compose(&FEISHU, fields)),
    native: Some(|url| feishu_native("open.feishu.cn", url)),
    ..Definition::PLAIN
};

/// Lark: Feishu outside China.
pub static LARK: Definition = Definition {
    id: "lark",
    name: "Lark",
    schemes: &["lark"],
    docs: "https://open.larksuite.com/document/client-docs/bot-v3/add-custom-bot",
    example: "lark://b1c2d3e4-0000-4000-8000-abcdefabcdef",
    build: |fields| {
        judged_by(
            fields,
            |fields, message, now| feishu("https://open.larksuite.com", fields, message, now),
            feishu_judge,
        )
    },
    parse: Some(|url| feishu_parse(&LARK, url)),
    compose: Some(|fields| feishu_compose(&LARK, fields)),
    native: Some(|url| feishu_native("open.larksuite.com", url)),
    fields: &[
        WEBHOOK,
        Field::secret("secret", "Secret", Place::Custom)
            .help("If the robot's security is a signature."),
    ],
    limits: Limits::new(0, 18_000, 1_000),
    ..Definition::PLAIN
};

/// Apprise knows no signature here: the secret stands before the token, as for DingTalk.
fn feishu_parse(definition: &'static Definition, url: &AppriseUrl) -> Result<Fields, Misfit> {
    let mut fields = codec::parse(definition, url)?;
    if let Some(secret) = &url.user {
        fields.set("secret", secret.clone());
    }
    Ok(fields)
}

fn feishu_compose(definition: &'static Definition, fields: &Fields) -> AppriseUrl {
    let mut url = codec::compose(definition, fields);
    url.user = fields.given("secret").map(ToOwned::to_owned);
    url
}

fn feishu_native(host: &str, url: &Url) -> Option<Fields> {
    let token = url.path().strip_prefix("/open-apis/bot/v2/hook/")?;
    let mut fields = Fields::default();
    fields.set("token", token.trim_matches('/'));
    (url.host_str() == Some(host)).then_some(fields)
}

fn feishu(
    base: &str,
    fields: &Fields,
    message: &Message,
    now: DateTime<Utc>,
) -> Result<Vec<Request>, Misfit> {
    // <at user_id="all"> would call everybody.
    let safe = message.escaped(|text| text.replace('<', "‹"));
    let words = Words::of_bytes(&safe, FEISHU.limits, Acknowledge::InText);
    let url = at(
        base,
        &["open-apis", "bot", "v2", "hook", fields.text("token")],
    )?;
    let mut body = json!({ "msg_type": "text", "content": { "text": words.body } });
    if let Some(secret) = fields.given("secret") {
        let time = now.timestamp().to_string();
        body["sign"] = signature(format!("{time}\n{secret}").as_bytes(), b"")?.into();
        body["timestamp"] = time.into();
    }
    Ok(vec![Request::post_json(url, body)])
}

fn feishu_judge(status: u16, body: &str) -> Option<Rejection> {
    let code = |said: &Value| {
        let code = said["code"].as_i64().or(said["StatusCode"].as_i64());
        code.unwrap_or(0)
    };
    // 9499, 11232: too many messages.
    let is_later = |said: &Value| matches!(code(said), 9_499 | 11_232);
    if status == 200 {
        judged(body, |said| code(said) == 0, is_later)
    } else {
        None
    }
}

/// WeCom.
pub static WECOM: Definition = Definition {
    id: "wecombot",
    name: "WeCom",
    schemes: &["wecombot"],
    docs: "https://developer.work.weixin.qq.com/document/path/91770",
    example: "wecombot://693a91f6-7aaa-4bc4-97a0-0ec2sifa5aaa",
    fields: &[Field::secret("key", "Key", Place::Host)
        .required()
        .help("What follows key= in the robot's address.")],
    limits: Limits::new(0, 2_048, 3_000),
    build: |fields| {
        judged_by(fields, wecom, |status, body| {
            let code = |said: &Value| said["errcode"].as_i64().unwrap_or(0);
            if status != 200 {
                return None;
            }
            judged(
                body,
                |said| code(said) == 0,
                |said| matches!(code(said), -1 | 45_009 | 45_033),
            )
        })
    },
    native: Some(|url| {
        let (_, key) = url.query_pairs().find(|(name, _)| name == "key")?;
        let mut fields = Fields::default();
        fields.set("key", key.as_ref());
        (url.host_str() == Some("qyapi.weixin.qq.com")).then_some(fields)
    }),
    ..Definition::PLAIN
};

fn wecom(fields: &Fields, message: &Message, _: DateTime<Utc>) -> Result<Vec<Request>, Misfit> {
    // It counts bytes.
    let words = Words::of_bytes(message, WECOM.limits, Acknowledge::InText);
    let mut url = at("https://qyapi.weixin.qq.com/cgi-bin/webhook/send", &[])?;
    url.query_pairs_mut().append_pair("key", fields.text("key"));
    let body = json!({ "msgtype": "text", "text": { "content": words.body } });
    Ok(vec![Request::post_json(url, body)])
}
