//! One URL and more for every service, with all its fields somewhere.

/// Name of the snapshot, and the URL.
pub const TARGETS: &[(&str, &str)] = &[
    (
        "discord",
        "discord://Box@4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?thread=12345",
    ),
    (
        "slack",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general/@user",
    ),
    (
        "slack_bot",
        "slack://Box@xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d/#general",
    ),
    (
        "telegram",
        "tgram://123456789:abcdefg_hijklmnop/12315544/@channel/-1001:77?silent=yes&topic=12",
    ),
    (
        "ntfy",
        "ntfys://user:pass@ntfy.example.org/topic1/topic2?priority=max&xtags=a,b&email=a@b.org&delay=30min&actions=view,%20Open,%20https://n8n.example.org/",
    ),
    (
        "ntfy_cloud",
        "ntfy://topic1?token=tk_abcdefghijklmnopqrstuvwxyz012",
    ),
    (
        "gotify",
        "gotifys://gotify.example.org/path/AbCdEf123456789",
    ),
    (
        "pushover",
        "pover://uQiRzpo4DXgh@azGDORePK8gM/DEVICE1/DEVICE2?priority=emergency&sound=cosmic&interval=60&expire=600",
    ),
    (
        "matrix",
        "matrixs://syt_token@matrix.example.org/#room/!abc:matrix.example.org",
    ),
    (
        "matrix_login",
        "matrixs://user:pass@matrix.example.org:8448/#room:example.org?discovery=no&msgtype=notice",
    ),
    (
        "mattermost",
        "mmosts://bot@mm.example.org:8065/sub/3ccdd113474722377935511fc85d3dd4?channel=town,%23other",
    ),
    (
        "teams",
        "workflows://host.example.org:443/643a8bb3c6974d50/signature",
    ),
    (
        "teams_powerautomate",
        "workflows://host.example.org/643a8bb3c6974d50/signature?pa=yes&route=07&ver=1",
    ),
    (
        "rocketchat",
        "rockets://user:pass@chat.example.org/#general/roomid/@peter",
    ),
    (
        "rocketchat_webhook",
        "rockets://abcdefghi/abcdefghijk@chat.example.org/#general",
    ),
    (
        "rocketchat_token",
        "rocket://userid:token-token-token-token-token-token-token@chat.example.org/roomid",
    ),
    ("gchat", "gchat://workspace/key/token/thread1"),
    (
        "webex",
        "wxteams://abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefgh",
    ),
    (
        "webex_bot",
        "wxteams://abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefgh/room1/room2",
    ),
    (
        "zulip",
        "zulip://botname@apprise/abcdefghijklmnopqrstuvwxyz012345/general/a@b.org",
    ),
    (
        "nctalk",
        "nctalks://user:pass@nc.example.org:8443/room1/room2?url_prefix=sub&+X-Token=abc",
    ),
    (
        "nctalk_bot",
        "nctalks://nc.example.org/room1?secret=s3cr3t-s3cr3t&silent=yes",
    ),
    (
        "synology",
        "synologys://user:pass@nas.example.org:5001/tokenABC?+X-Token=abc",
    ),
    (
        "sendgrid",
        "sendgrid://SG.abcdef:from@example.org/to@example.com/to2@example.com?cc=cc@example.com&bcc=bcc@example.com",
    ),
    (
        "resend",
        "resend://re_abcdef:from@example.org/to@example.com?name=Box&cc=cc@example.com&reply=r@example.com",
    ),
    (
        "mailgun",
        "mailgun://user@mg.example.org/key-cccccccc-dddddddd/to@example.com?region=eu&name=Box&+X-A=b&cc=cc@example.com",
    ),
    (
        "smtp2go",
        "smtp2go://user@mg.example.org/api-bbbbbbbb/to@example.com?bcc=bcc@example.com&name=Box",
    ),
    (
        "brevo",
        "brevo://xkeysib-abc:from@example.org/to@example.com?cc=cc@example.com&reply=r@example.com",
    ),
    (
        "postmark",
        "postmark://tokenabc:from@example.org/to@example.com?name=Box&bcc=bcc@example.com&reply=r@example.com",
    ),
    (
        "ses",
        "ses://user@example.org/AKIAIOSFODNN7EXAMPLE/wJalrXUtnFEMI/K7MDENG/us-east-1/to@example.com?cc=cc@example.com&name=Box&reply=r@example.com&token=session",
    ),
    (
        "pagerduty",
        "pagerduty://integrationkey12345@apikey/source/component?region=eu&group=g&class=c&+disk=full",
    ),
    (
        "opsgenie",
        "opsgenie://apikeyapikeyapikey/#team/@user/*schedule/^escalation?priority=p1&entity=e&tags=a,b&+x=y",
    ),
    ("jira", "jira://apikeyapikeyapikey/#team"),
    (
        "splunk",
        "splunk://routekey@0123456789abcdef0123456789abcdef/entity",
    ),
    (
        "pagertree",
        "pagertree://int_0123456789?urgency=low&tags=a,b",
    ),
    (
        "signl4",
        "signl4://secretsecret?service=db&location=1&alerting_scenario=single_ack&filtering=yes",
    ),
    (
        "squadcast",
        "squadcast://abcdefghijklmnopqr?region=eu&priority=P1&+env=prod",
    ),
    (
        "goalert",
        "goalerts://goalert.example.org/sub/8d4f9e1c-3a1e-4a0a-9a51-0a5f1c0b6f5e?+disk=full",
    ),
    ("incidentio", "incidentio://source/token123?+disk=full"),
    (
        "betterstack",
        "betterstack://token123/owner@example.org/team1/team2?policy=7",
    ),
    ("ilert", "ilert://apikey123?priority=low&route=r&+disk=full"),
    ("spike", "spike://abcdefghijklmnopqrstuvwxyz012345"),
    ("firehydrant", "firehydrant://token123?tags=a,b&+disk=full"),
    (
        "twilio",
        "twilio://AC0123456789abcdef0123456789abcdef:fedcba9876543210fedcba9876543210@15551233456/15551234567/w:15551234568",
    ),
    (
        "vonage",
        "vonage://abcdefgh:abcdefghijklmnop@15551233456/15551234567?ttl=30000",
    ),
    (
        "messagebird",
        "msgbird://aaaaaaaaaaaaaaaaaaaaaaaaa/15551233456/15551234567",
    ),
    (
        "plivo",
        "plivo://aaaaaaaaaaaaaaaaaaaaaaaaa@bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb/15551233456/15551234567",
    ),
    (
        "signal",
        "signals://user:pass@signal.example.org:8443/+15551233456/+15551234567/group.abc",
    ),
    (
        "whatsapp",
        "whatsapp://EAABtokenTOKEN123@1234567890/15551234567",
    ),
    (
        "whatsapp_template",
        "whatsapp://alert:EAABtokenTOKEN123@1234567890/15551234567?lang=de&:body=1&:2=box",
    ),
    ("line", "line://channeltokenabc/user1/user2"),
    ("homeassistant", "hassio://ha.example.org/longtoken.abc"),
    (
        "homeassistant_services",
        "hassios://ha.example.org/eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpc3MiOiIxIn0.c2ln/mobile_app_phone/script.siren",
    ),
    (
        "ifttt",
        "ifttt://webhookid123/event1/event2?+key=my-words&-value3=",
    ),
    (
        "pushbullet",
        "pbul://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/#channel/device/a@b.org",
    ),
    (
        "bark",
        "barks://user:pass@bark.example.org/device_key/second?sound=alarm.caf&level=critical&group=g&click=https://x.org&badge=1&volume=5",
    ),
    (
        "prowl",
        "prowl://wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww/zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz?priority=high",
    ),
    ("pushy", "pushy://apikey123/device/#topic?sound=s&badge=3"),
    (
        "join",
        "join://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/group.all/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb/phone/mydevice",
    ),
    ("simplepush", "spush://HuxgBB/topic?priority=4"),
    ("serverchan", "schan://SCT1234abcd"),
    ("dingtalk", "dingtalk://SECsecret@abcdefgh/15551234567"),
    ("feishu", "feishu://b1c2d3e4-0000"),
    ("lark", "lark://b1c2d3e4-0000"),
    ("wecom", "wecombot://693a91f6-7aaa-4bc4-97a0-0ec2sifa5aaa"),
    (
        "json",
        "jsons://user:pass@host.example.org:8443/path/sub?+X-Token=abc&-q=1&:extra=v&:message=text&:version=",
    ),
    ("json_put", "json://host.example.org?method=put"),
    (
        "xml",
        "xmls://user:pass@host.example.org/path?+X-Token=abc&-q=1&:Extra=v&:Message=Text",
    ),
    (
        "form",
        "forms://user:pass@host.example.org/path?+X-Token=abc&-q=1&:extra=v&:message=text",
    ),
    ("form_get", "form://host.example.org/path?method=get"),
    (
        "apprise",
        "apprises://user:pass@host.example.org/path/tokenabc?tags=a,b&+X-Token=1",
    ),
    ("apprise_2", "apprise://host.example.org/tokenabc?version=2"),
];

/// The same for those that are not spoken to over HTTP.
pub const OTHERS: &[&str] = &[
    "mqtts://user:pass@broker.example.org:8884/box/alerts?qos=1&retain=yes",
    "mqtt://broker.example.org/one,two/three",
    "mailtos://user:pass@example.org:2525/to@example.com?smtp=smtp.example.org&from=box@example.org&cc=cc@example.com&bcc=bcc@example.com",
    "mailtos://user:pass@gmail.com",
    "mailtos://user:pass@yandex.ru",
    "mailto://user:pass@example.org?to=a@example.com,b@example.com",
    "mailtos://user:pass@example.org?mode=ssl",
    "mailto://user@example.org?to=a@example.com",
];
