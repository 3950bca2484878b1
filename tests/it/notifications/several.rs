//! A message for several targets: one that does not take it must not keep it from the others.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use flowkeep::features::notifications::channels::apprise::Target;
use flowkeep::features::notifications::channels::form::Transport;
use flowkeep::features::notifications::channels::{Parts, Terms, deliver};
use flowkeep::platform::events::Severity;
use flowkeep::platform::outbound::{Answer, Exchange, Logins, Outgoing, Unreached, Wire};
use http::StatusCode;
use serde_json::{Value, json};

use super::wire::{Receiver, Reply, terms};
use super::{Told, add_webhook, happen, message};
use crate::support::receiver::{Receiver as Server, status};

/// Three chats: 1, @two and 3.
fn telegram() -> Target {
    Target::read("tgram://123456789:abcdefg_hijklmnop/1/@two/3").unwrap()
}

/// Answers one chat with another status than the others.
async fn chats(odd: &'static str, code: u16) -> Receiver {
    let odd = format!("\"chat_id\":{odd},");
    Receiver::answering(move |request| {
        let is_odd = request.body.contains(&odd);
        Reply::new(
            if is_odd { code } else { 200 },
            r#"{"description":"blocked"}"#,
        )
    })
    .await
}

#[tokio::test]
async fn one_chat_that_refuses_does_not_keep_the_news_from_the_others() {
    for odd in ["1", "\"@two\"", "3"] {
        let receiver = chats(odd, 403).await;
        let undelivered = receiver.deliver(&telegram(), &message()).await.unwrap_err();
        assert_eq!(receiver.arrived().len(), 3, "{odd}");
        assert!(undelivered.is_partly_sent && !undelivered.is_transient);
        assert!(
            undelivered.why.starts_with("sent to 2 of 3: ") && undelivered.why.contains("blocked"),
            "{undelivered:?}"
        );
        assert_eq!(undelivered.parts.taken.len(), 2);
        assert_eq!(undelivered.parts.refused.len(), 1);
    }
}

#[tokio::test]
async fn a_service_is_gone_only_when_all_of_its_targets_are() {
    let one = chats("1", 410).await.deliver(&telegram(), &message()).await;
    assert!(!one.unwrap_err().is_gone);
    let receiver = Receiver::start(Reply::new(410, "")).await;
    let all = receiver.deliver(&telegram(), &message()).await.unwrap_err();
    assert!(all.is_gone && !all.is_partly_sent, "{all:?}");
}

#[tokio::test]
async fn only_those_that_may_take_it_later_are_asked_again() {
    let asked = AtomicUsize::new(0);
    let receiver = Receiver::answering(move |request| {
        let (is_first, is_second) = (
            request.body.contains("\"chat_id\":1,"),
            request.body.contains("\"chat_id\":\"@two\""),
        );
        let code = match (is_first, is_second) {
            (true, _) => 403,
            (_, true) if asked.fetch_add(1, Ordering::SeqCst) == 0 => 503,
            _ => 200,
        };
        Reply::new(code, r#"{"description":"no"}"#)
    })
    .await;
    let first = receiver.deliver(&telegram(), &message()).await.unwrap_err();
    assert!(first.is_transient && !first.is_partly_sent, "{first:?}");
    assert!(first.why.starts_with("sent to 1 of 3: "), "{first:?}");
    let second = receiver
        .deliver_after(&telegram(), &message(), first.parts)
        .await
        .unwrap_err();
    assert_eq!(receiver.arrived().len(), 4);
    assert!(second.is_partly_sent, "{second:?}");
    assert!(
        second.why.starts_with("sent to 2 of 3: ") && second.why.contains("403"),
        "{second:?}"
    );
    // Each keeps the key by which a repetition is known.
    let keys: Vec<_> = receiver
        .arrived()
        .iter()
        .map(|one| one.header("idempotency-key").unwrap().to_owned())
        .collect();
    assert_eq!(keys[1], keys[3]);
}

#[tokio::test]
async fn a_wrong_login_and_a_busy_server_are_not_asked_for_every_target() {
    let receiver = Receiver::start(Reply::new(401, "")).await;
    let refused = receiver.deliver(&telegram(), &message()).await.unwrap_err();
    assert_eq!(receiver.arrived().len(), 1);
    assert!(!refused.is_transient && refused.parts.refused.len() == 3);
    let receiver = Receiver::start(Reply::new(429, "").header("retry-after", "9")).await;
    let busy = receiver.deliver(&telegram(), &message()).await.unwrap_err();
    assert_eq!(
        receiver.arrived().len(),
        2,
        "it may be one room that is full"
    );
    assert!(busy.is_transient);
    assert_eq!(busy.retry_after, Some(Duration::from_secs(9)));
}

/// A host that answers once and is away then.
#[derive(Default)]
struct Leaving(AtomicUsize, Logins);

impl Wire for Leaving {
    fn exchange(&self, outgoing: Outgoing) -> Exchange<'_> {
        let at = self.0.fetch_add(1, Ordering::SeqCst);
        let limit = outgoing.timeout;
        Box::pin(async move {
            match at {
                0 => Ok(Answer {
                    status: 200,
                    retry_after: None,
                    body: "{}".to_owned(),
                    is_near: false,
                }),
                _ => Err(Unreached::TimedOut(limit)),
            }
        })
    }

    fn logins(&self) -> &Logins {
        &self.1
    }
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_asked_once_and_not_for_each_of_its_rooms() {
    let Transport::Http(service) = telegram().build().unwrap() else {
        panic!("it is HTTP");
    };
    let wire = Leaving::default();
    let undelivered = deliver(&wire, service.as_ref(), &message(), &terms())
        .await
        .outcome
        .unwrap_err();
    assert_eq!(wire.0.load(Ordering::SeqCst), 2);
    assert!(undelivered.is_transient, "{undelivered:?}");
    assert_eq!(undelivered.parts, Parts::first(1));
}

#[tokio::test]
async fn the_requests_of_one_message_keep_the_pace_of_the_service() {
    let receiver = Receiver::start(Reply::fine()).await;
    let Transport::Http(service) = telegram().build().unwrap() else {
        panic!("it is HTTP");
    };
    let paced = Terms {
        pace: Duration::from_millis(60),
        ..terms()
    };
    let began = Instant::now();
    deliver(&receiver, service.as_ref(), &message(), &paced)
        .await
        .outcome
        .unwrap();
    assert_eq!(receiver.arrived().len(), 3);
    assert!(began.elapsed() >= paced.pace * 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_room_of_matrix_that_lets_nobody_in_keeps_nothing_from_the_others() {
    let receiver = Receiver::answering(|request| {
        if request.uri.contains("/join/!closed") {
            Reply::new(
                403,
                r#"{"errcode":"M_FORBIDDEN","error":"You are not invited"}"#,
            )
        } else {
            Reply::fine()
        }
    })
    .await;
    let target =
        Target::read("matrixs://token@matrix.example.org/!closed:h/!open:h?discovery=no").unwrap();
    let undelivered = receiver.deliver(&target, &message()).await.unwrap_err();
    let sent = receiver
        .arrived()
        .iter()
        .filter(|one| one.uri.contains("/send/"))
        .count();
    assert_eq!(sent, 1);
    assert!(undelivered.is_partly_sent);
    assert!(
        undelivered.why.contains("sent to 1 of 2") && undelivered.why.contains("not invited"),
        "{undelivered:?}"
    );
}

/// A service for three phones at this receiver.
async fn phones(told: &Told) -> i64 {
    let (_, port) = told.receiver.url.rsplit_once(':').unwrap();
    let url = format!("bark://127.0.0.1:{port}/phone-one/phone-two/phone-three");
    let body = json!({ "name": "phones", "service_type": "apprise", "config": { "url": url } });
    let made = told.client.post("/api/notifications/services", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made.json()["id"].as_i64().unwrap()
}

fn key(came: &crate::support::receiver::Came) -> Value {
    came.json()["device_key"].clone()
}

#[tokio::test]
async fn what_some_have_and_others_refuse_is_told_as_sent_with_what_is_missing() {
    let told = Told::by(
        Server::answering(|_, came| {
            status(match key(came).as_str() {
                Some("phone-one") => 400,
                _ => 200,
            })
        })
        .await,
    )
    .await;
    let other = Server::start().await;
    add_webhook(&told.client, "other", &other).await;
    let id = phones(&told).await;
    told.rule(json!({ "event_type": "backup.failed", "service_id": id }))
        .await;
    happen(
        &told.app,
        "backup.failed",
        Severity::Error,
        json!({ "message": "x" }),
    )
    .await;
    told.run().await;
    let row = told.history().await.remove(0);
    assert_eq!(row["status"], "sent", "{row}");
    let why = row["error_message"].as_str().unwrap();
    assert!(
        why.starts_with("sent to 2 of 3: ") && why.contains("400"),
        "{row}"
    );
    assert_eq!(told.receiver.came().len(), 3);
    assert!(other.came().is_empty(), "somebody heard of it");
    let service = told
        .client
        .get(&format!("/api/notifications/services/{id}"))
        .await
        .json();
    assert!(
        service["last_error"].as_str().unwrap().contains("2 of 3"),
        "{service}"
    );
    assert_eq!(service["enabled"], true);
}

#[tokio::test]
async fn a_message_that_is_tried_again_goes_only_to_those_who_do_not_have_it() {
    let told = Told::by(
        Server::answering(|at, came| {
            status(match key(came).as_str() {
                Some("phone-one") => 400,
                Some("phone-two") if at < 3 => 503,
                _ => 200,
            })
        })
        .await,
    )
    .await;
    let id = phones(&told).await;
    told.rule(json!({ "event_type": "backup.failed", "service_id": id }))
        .await;
    happen(
        &told.app,
        "backup.failed",
        Severity::Error,
        json!({ "message": "x" }),
    )
    .await;
    told.run().await;
    let row = told.history().await.remove(0);
    assert_eq!(row["status"], "pending", "{row}");
    assert!(
        row["error_message"]
            .as_str()
            .unwrap()
            .contains("sent to 1 of 3"),
        "{row}"
    );
    told.app.advance(TimeDelta::seconds(7));
    told.run().await;
    let row = told.history().await.remove(0);
    assert_eq!(row["status"], "sent", "{row}");
    assert!(
        row["error_message"]
            .as_str()
            .unwrap()
            .contains("sent to 2 of 3"),
        "{row}"
    );
    let came: Vec<_> = told.receiver.came().iter().map(key).collect();
    assert_eq!(came, ["phone-one", "phone-two", "phone-three", "phone-two"]);
}

#[tokio::test]
async fn what_was_put_back_by_hand_is_asked_of_all_who_do_not_have_it() {
    let told =
        Told::by(Server::answering(|at, _| status(if at < 3 { 400 } else { 200 })).await).await;
    let id = phones(&told).await;
    told.rule(json!({ "event_type": "backup.failed", "service_id": id }))
        .await;
    happen(
        &told.app,
        "backup.failed",
        Severity::Error,
        json!({ "message": "x" }),
    )
    .await;
    told.run().await;
    let of_phones = async || {
        let rows = told.history().await;
        let mut found = rows
            .into_iter()
            .filter(|row| row["service_name"] == "phones");
        found.next().unwrap()
    };
    let row = of_phones().await;
    assert_eq!(row["status"], "failed", "{row}");
    let again = told
        .client
        .post(
            &format!("/api/notifications/retry/{}", row["id"]),
            json!({}),
        )
        .await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
    told.run().await;
    assert_eq!(of_phones().await["status"], "sent");
    let came = told.receiver.came();
    assert_eq!(came.iter().filter(|came| !key(came).is_null()).count(), 6);
}

#[tokio::test]
async fn a_login_is_used_for_many_messages_and_made_anew_when_it_is_refused() {
    for url in [
        "matrixs://user:pass-word@matrix.example.org/!one:h/!two:h?discovery=no",
        "rockets://user:pass-word@chat.example.org/#one/#two",
    ] {
        let logins = AtomicUsize::new(0);
        let receiver = Receiver::answering(move |request| {
            let count = logins.load(Ordering::SeqCst);
            let is_login = request.uri.ends_with("/login");
            if is_login {
                logins.fetch_add(1, Ordering::SeqCst);
                let token = format!("token-{}", count + 1);
                let said = json!({
                    "access_token": token, "user_id": "@u:h", "data": { "authToken": token, "userId": "ui" },
                });
                return Reply::new(200, said.to_string());
            }
            let given = request
                .header("authorization")
                .or(request.header("x-auth-token"))
                .unwrap_or_default();
            // The first login is over when something odd is said.
            if given.ends_with("token-1") && request.body.contains("Odd") {
                return Reply::new(401, r#"{"errcode":"M_UNKNOWN_TOKEN","error":"unknown"}"#);
            }
            Reply::fine()
        })
        .await;
        let target = Target::read(url).unwrap();
        let logins = || {
            let arrived = receiver.arrived();
            arrived
                .iter()
                .filter(|one| one.uri.ends_with("/login"))
                .count()
        };
        for _ in 0..3 {
            receiver.deliver(&target, &message()).await.unwrap();
        }
        assert_eq!(logins(), 1, "{url}");
        let mut odd = message();
        odd.body = "Odd".to_owned();
        receiver.deliver(&target, &odd).await.unwrap();
        receiver.deliver(&target, &odd).await.unwrap();
        assert_eq!(logins(), 2, "{url}");
    }
}
