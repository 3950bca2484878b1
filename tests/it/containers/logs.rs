//! Logs of real containers: read, followed, searched, and hostile.

use std::io::Read;
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use flate2::read::GzDecoder;
use flowkeep::platform::docker::Docker;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Engine, Made, engine, until};
use crate::support::gate::Gate;

/// Writes what it says and then waits for its end.
fn says(script: &str) -> String {
    // First of all: whoever sees what it says may stop it at once.
    format!("trap 'exit 0' TERM\n{script}\nwhile :; do read -t 1 <> <(:); done")
}

fn made(script: &str) -> Made<'_> {
    Made {
        script,
        ..Made::default()
    }
}

async fn logs(here: &Engine, query: &str) -> Value {
    let answer = here
        .client
        .get(&here.path("main", &format!("/logs?{query}")))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.message());
    answer.json()
}

fn texts(logs: &Value) -> Vec<&str> {
    let items = logs["items"].as_array().unwrap();
    items
        .iter()
        .map(|line| line["text"].as_str().unwrap())
        .collect()
}

/// Waits until a container wrote so many lines.
async fn written(here: &Engine, lines: usize) -> Value {
    until("its lines", || async {
        let logs = logs(here, "tail=10000").await;
        (logs["items"].as_array().unwrap().len() >= lines).then_some(logs)
    })
    .await
}

#[tokio::test]
async fn lines_are_found_by_number_time_stream_text_and_expression() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let script = says("for i in {1..50}; do echo \"out $i [x]\"; echo \"Err $i\" >&2; done");
    let id = here.run("main", made(&script)).await;
    let all = written(&here, 100).await;
    assert_eq!(all["id"], id);
    assert_eq!(
        logs(&here, "tail=7").await["items"]
            .as_array()
            .unwrap()
            .len(),
        7
    );
    let complaints = logs(&here, "stream=stderr&tail=2").await;
    assert_eq!(texts(&complaints), ["Err 49", "Err 50"]);
    let found = logs(&here, "search=OUT%201%20%5B").await;
    assert_eq!(
        texts(&found),
        ["out 1 [x]"],
        "as it stands, whatever its case"
    );
    assert!(texts(&logs(&here, "search=OUT&case=true").await).is_empty());
    let found = logs(&here, "search=%5E(out|err)%204%5Cd&regex=true&tail=3").await;
    assert_eq!(texts(&found).len(), 3);
    assert_eq!(found["looked_at"], 100);
    let moment = |line: &Value| {
        let at = line["at"].as_str().unwrap();
        at.parse::<chrono::DateTime<chrono::Utc>>().unwrap()
    };
    let middle = &all["items"][60];
    let later = all["items"].as_array().unwrap().iter();
    let later = later.filter(|line| moment(line) >= moment(middle)).count();
    let since = logs(&here, &format!("since={}", middle["at"].as_str().unwrap())).await;
    assert_eq!(texts(&since).len(), later, "{since}");
    let until = logs(&here, &format!("until={}", middle["at"].as_str().unwrap())).await;
    assert!((50..70).contains(&texts(&until).len()), "{until}");
    for (query, field) in [
        ("tail=0", "tail"),
        ("tail=10001", "tail"),
        ("search=(&regex=true", "search"),
        ("stream=both", "stream"),
        ("since=yesterday", "since"),
        ("colour=1", "colour"),
    ] {
        let refused = here
            .client
            .get(&here.path("main", &format!("/logs?{query}")))
            .await;
        assert_eq!(
            refused.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{query}: {refused:?}"
        );
        assert!(
            refused.text().contains(field),
            "{query}: {}",
            refused.text()
        );
    }
    here.end(&[id]).await;
}

#[tokio::test]
async fn a_download_is_text_with_times_and_without_colours() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let script = says("echo -e '\\e[31mred\\e[0m'; echo plain >&2");
    let id = here.run("main", made(&script)).await;
    written(&here, 2).await;
    let file = here.client.get(&here.path("main", "/logs/download")).await;
    assert_eq!(file.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(
        file.header("content-disposition"),
        format!("attachment; filename=\"{}.log\"", here.name("main"))
    );
    let text = file.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].ends_with("Z stdout red") || lines[1].ends_with("Z stdout red"),
        "{text}"
    );
    assert!(text.contains("Z stderr plain\n"), "{text}");
    let only = here
        .client
        .get(&here.path("main", "/logs/download?stream=stderr&search=pl"))
        .await;
    assert_eq!(only.text().lines().count(), 1);
    // As browsers ask.
    let path = here.path("main", "/logs/download");
    let mut request = here.client.request(Method::GET, &path, None);
    let gzip = http::HeaderValue::from_static("gzip");
    request.headers_mut().insert("accept-encoding", gzip);
    let packed = here.client.send(request).await;
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let bytes = packed.into_body().collect().await.unwrap().to_bytes();
    let mut unpacked = String::new();
    GzDecoder::new(&bytes[..])
        .read_to_string(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, text);
    here.end(&[id]).await;
}

#[tokio::test]
async fn hostile_bytes_are_shown_harmless_with_and_without_a_terminal() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let script = says(
        "printf '\\x01\\x00\\x00\\x00\\xff\\xff\\xff\\xff a header\\n'; \
         printf '\\e]0;title\\a\\e[2J\\e[1;31mred\\e[0m\\e[10;10H\\n'; \
         printf 'nul \\x00 bad \\xff\\xfe bell \\a\\n'; \
         printf 'evil \\xe2\\x80\\xaegpj.exe\\n'; \
         printf 'fake\\rover\\n'; printf '<script>alert(1)</script>\\n'; echo last",
    );
    for is_tty in [false, true] {
        let made = Made {
            is_tty,
            ..made(&script)
        };
        let id = here.run("main", made).await;
        let all = written(&here, 7).await;
        let texts = texts(&all);
        assert_eq!(
            texts[0], "\u{2401}\u{2400}\u{2400}\u{2400}\u{fffd}\u{fffd}\u{fffd}\u{fffd} a header",
            "{is_tty}"
        );
        assert_eq!(texts[1], "\u{1b}[1;31mred\u{1b}[0m");
        assert_eq!(texts[2], "nul \u{2400} bad \u{fffd}\u{fffd} bell \u{2407}");
        assert_eq!(texts[3], "evil \u{fffd}gpj.exe");
        assert_eq!(texts[4], "fake\u{240d}over");
        assert_eq!(texts[6], "last");
        let mut stream = here.follow(&here.path("main", "/logs/follow")).await;
        let followed = stream.lines_until("last").await;
        assert_eq!(followed, texts, "followed, they are the same");
        here.remove(&id).await;
    }
    here.end(&[]).await;
}

#[tokio::test]
async fn a_line_of_a_megabyte_is_cut_with_its_length() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let script = says(
        "printf -v piece '%1024s' x; for i in {1..1024}; do printf '%s' \"$piece\"; done; echo; echo after",
    );
    for is_tty in [false, true] {
        let made = Made {
            is_tty,
            ..made(&script)
        };
        let id = here.run("main", made).await;
        let all = written(&here, 2).await;
        let line = &all["items"][0];
        assert_eq!(line["text"].as_str().unwrap().len(), 16 * 1024);
        let length = line["cut_bytes"].as_u64().unwrap();
        // In a terminal's lines the engine puts a time before each 16 KB.
        assert!((1_048_576..1_060_000).contains(&length), "{length}");
        assert_eq!(texts(&all)[1], "after");
        let text = here
            .client
            .get(&here.path("main", "/logs/download"))
            .await
            .text();
        assert!(text.contains(&format!("[cut: {length} bytes]\n")) && text.len() < 40_000);
        let mut stream = here.follow(&here.path("main", "/logs/follow")).await;
        assert_eq!(stream.lines_until("after").await.len(), 2);
        here.remove(&id).await;
    }
    here.end(&[]).await;
}

/// Counts, a line each tenth of a second, until it is asked to end.
const COUNTS: &str =
    "trap 'exit 0' TERM; i=0; while :; do i=$((i+1)); echo $i; read -t 0.1 <> <(:); done";

/// Numbers that were followed, without a gap or a repetition.
fn assert_counted(lines: &[String]) {
    let numbers: Vec<u32> = lines.iter().map(|line| line.parse().unwrap()).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}"
    );
}

#[tokio::test]
async fn ten_who_follow_are_one_stream_of_the_engines_and_miss_nothing() {
    let Some(address) = engine() else { return };
    let gate = Gate::new(&address);
    let here = Engine::at(&address, &gate.address()).await;
    let id = here.run("main", made(COUNTS)).await;
    let path = here.path("main", "/logs/follow?tail=1000");
    let mut streams = Vec::new();
    for _ in 0..10 {
        let mut stream = here.follow(&path).await;
        stream.state("following").await;
        streams.push(stream);
    }
    let last = (texts(&logs(&here, "tail=1").await)[0]
        .parse::<u32>()
        .unwrap()
        + 10)
        .to_string();
    for stream in &mut streams {
        let lines = stream.lines_until(&last).await;
        assert_counted(&lines);
    }
    assert_eq!(gate.asked("follow=1"), 1);
    assert_eq!(here.app.state.containers.followed(), 1);
    drop(streams);
    until("nobody follows", || async {
        (here.app.state.containers.followed() == 0).then_some(())
    })
    .await;
    here.end(&[id]).await;
}

#[tokio::test]
async fn followed_from_a_moment_on_older_lines_do_not_come() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let id = here.run("main", made(COUNTS)).await;
    let all = written(&here, 8).await;
    let fifth = all["items"][4]["at"].as_str().unwrap();
    for path in [
        here.path("main", &format!("/logs/follow?since={fifth}")),
        format!(
            "/api/containers/logs/follow?names={}&since={fifth}",
            here.name("main")
        ),
    ] {
        let mut stream = here.follow(&path).await;
        let lines = stream.lines_until("12").await;
        assert_eq!(lines[0], "5", "{path}");
        assert_counted(&lines);
    }
    // Not of those either that the engine's stream begins with, where there is no history.
    until("nobody follows", || async {
        (here.app.state.containers.followed() == 0).then_some(())
    })
    .await;
    let last = &logs(&here, "tail=1").await["items"][0];
    let later: DateTime<Utc> = last["at"].as_str().unwrap().parse().unwrap();
    let later = later + TimeDelta::seconds(1);
    let text = later.to_rfc3339_opts(SecondsFormat::Nanos, true);
    let mut stream = here
        .follow(&here.path("main", &format!("/logs/follow?since={text}")))
        .await;
    let first = loop {
        let (kind, data) = stream.next().await;
        if matches!(kind.as_str(), "history" | "lines")
            && let Some(line) = data["lines"].as_array().unwrap().first()
        {
            break line["at"].as_str().unwrap().parse::<DateTime<Utc>>();
        }
    };
    assert!(first.unwrap() >= later);
    drop(stream);
    let refused = here
        .client
        .get(&here.path("main", "/logs/follow?since=yesterday"))
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    here.end(&[id]).await;
}

#[tokio::test]
async fn several_logs_come_in_one_stream_each_line_with_its_container() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let (first, second) = (says("echo of one"), says("echo of two"));
    let ids = [
        here.run("one", made(&first)).await,
        here.run("two", made(&second)).await,
    ];
    let path = format!(
        "/api/containers/logs/follow?names={},{}",
        here.name("one"),
        here.name("two")
    );
    let mut stream = here.follow(&path).await;
    let mut of = std::collections::BTreeMap::new();
    while of.len() < 2 {
        let (kind, data) = stream.next().await;
        if matches!(kind.as_str(), "history" | "lines") {
            for line in data["lines"].as_array().unwrap() {
                of.insert(
                    data["container"].as_str().unwrap().to_owned(),
                    line["text"].as_str().unwrap().to_owned(),
                );
            }
        }
    }
    assert_eq!(of[&here.name("one")], "of one");
    assert_eq!(of[&here.name("two")], "of two");
    let many: Vec<_> = (0..21).map(|n| format!("x{n}x")).collect();
    let many = many.join(",");
    let refused = here
        .client
        .get(&format!("/api/containers/logs/follow?names={many}"))
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    here.end(&ids).await;
}

#[tokio::test]
async fn f61_an_engine_that_goes_in_the_middle_is_told_and_the_log_goes_on_where_it_was() {
    let Some(address) = engine() else { return };
    let gate = Gate::new(&address);
    let here = Engine::at(&address, &gate.address()).await;
    let id = here.run("main", made(COUNTS)).await;
    let mut stream = here.follow(&here.path("main", "/logs/follow?tail=5")).await;
    stream.state("following").await;
    stream.lines_until("8").await;
    let tried = gate.tried();
    let cut = Instant::now();
    gate.close();
    let down = stream.state("down").await;
    assert_eq!(down["code"], "docker_unreachable");
    assert!(
        down["remedy"]
            .as_str()
            .unwrap()
            .contains("systemctl start docker"),
        "{down}"
    );
    until("four attempts", || async {
        (gate.tried() >= tried + 4).then_some(())
    })
    .await;
    // A half, one and two seconds at least lie between four attempts.
    assert!(
        cut.elapsed() > Duration::from_millis(1_500),
        "{:?}",
        cut.elapsed()
    );
    gate.open();
    stream.state("following").await;
    stream.of_kind("lines").await;
    assert_counted(&stream.lines);
    here.end(&[id]).await;
}

#[tokio::test]
async fn f61_lines_of_a_break_that_are_too_many_are_told_as_missing() {
    let Some(address) = engine() else { return };
    // Whether or not anything was written before.
    for begin in ["echo begun; ", ""] {
        let gate = Gate::new(&address);
        let here = Engine::at(&address, &gate.address()).await;
        let script = format!(
            "trap 'exit 0' TERM; trap 'for n in {{1..5000}}; do echo $n; done' USR1; {begin}\
             while :; do read -t 1 <> <(:); done"
        );
        let id = here.run("main", made(&script)).await;
        let mut stream = here.follow(&here.path("main", "/logs/follow")).await;
        if !begin.is_empty() {
            stream.lines_until("begun").await;
        }
        stream.state("following").await;
        let direct = Docker::new(&address);
        until("the trap is set", || async {
            let pid = direct.inspect(&id).await.ok()??.state?.pid?;
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let caught = status
                .lines()
                .find_map(|line| line.strip_prefix("SigCgt:"))?;
            let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
            (caught & (1 << (Signal::USR1.as_raw() - 1)) != 0).then_some(())
        })
        .await;
        gate.close();
        here.signal(&id, "SIGUSR1").await;
        until("all is written", || async {
            let words = direct.last_words(&id).await.unwrap();
            words.ends_with("| 5000").then_some(())
        })
        .await;
        gate.open();
        let dropped = stream.of_kind("dropped").await;
        assert_eq!(dropped["lines"], 3_000, "{dropped}");
        let came = stream.lines_until("5000").await;
        assert_eq!((came[0].as_str(), came.len()), ("3001", 2_000));
        here.end(&[id]).await;
    }
}

#[tokio::test]
async fn f61_an_engine_that_stops_in_the_middle_of_a_log_is_not_waited_for_and_the_missing_end_is_told()
 {
    let Some(address) = engine() else { return };
    let gate = Gate::new(&address);
    let here = Engine::at(&address, &gate.address()).await;
    let script = says("for i in {1..1000}; do echo $i; done");
    let id = here.run("main", made(&script)).await;
    let whole = written(&here, 1_000).await;
    assert_eq!(
        (&whole["is_cut"], &whole["is_unfinished"]),
        (&json!(false), &json!(false))
    );
    gate.stall("/logs?", 4 * 1024);
    let part = logs(&here, "tail=1000").await;
    assert_eq!(
        (&part["is_cut"], &part["is_unfinished"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(texts(&part)[0], "1");
    assert!(texts(&part).len() < 1_000);
    here.end(&[id]).await;
}

#[tokio::test]
async fn f61_a_container_that_is_stopped_removed_and_made_again_is_followed_through_it_all() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    here.watch();
    let (first, second) = (says("echo from the first"), says("echo from the second"));
    let old = here.run("main", made(&first)).await;
    let mut stream = here.follow(&here.path("main", "/logs/follow")).await;
    stream.lines_until("from the first").await;
    here.stop(&old).await;
    let stopped = stream.state("stopped").await;
    assert_eq!(stopped["exit_code"], 0);
    here.start(&old).await;
    assert_eq!(stream.lines_until("from the first").await.len(), 1);
    here.remove(&old).await;
    stream.state("gone").await;
    let new = here.run("main", made(&second)).await;
    let following = stream.state("following").await;
    assert_eq!(following["id"], new.as_str());
    stream.lines_until("from the second").await;
    here.end(&[new]).await;
}

#[tokio::test]
async fn what_a_container_wrote_last_and_did_not_end_is_a_line_apart_from_the_first_of_its_next_run()
 {
    let Some(here) = Engine::begin().await else {
        return;
    };
    here.watch();
    let script = "trap 'printf bye; exit 0' TERM\necho begun\nwhile :; do read -t 1 <> <(:); done";
    let id = here.run("main", made(script)).await;
    let mut stream = here.follow(&here.path("main", "/logs/follow")).await;
    stream.lines_until("begun").await;
    here.stop(&id).await;
    stream.lines_until("bye").await;
    here.start(&id).await;
    stream.lines_until("begun").await;
    let all = written(&here, 3).await;
    assert_eq!(texts(&all), ["begun", "bye", "begun"]);
    assert_eq!(stream.lines, ["begun", "bye", "begun"]);
    let times: Vec<_> = (0..3)
        .map(|line| all["items"][line]["at"].as_str())
        .collect();
    assert!(times.is_sorted() && times[1] < times[2], "{times:?}");
    here.end(&[id]).await;
}

#[tokio::test]
async fn f61_the_last_words_of_a_container_that_ended_during_a_break_are_told() {
    let Some(address) = engine() else { return };
    let gate = Gate::new(&address);
    let here = Engine::at(&address, &gate.address()).await;
    let script =
        "trap 'echo why it ends; exit 3' TERM\necho begun\nwhile :; do read -t 1 <> <(:); done";
    let id = here.run("main", made(script)).await;
    written(&here, 1).await;
    let mut stream = here.follow(&here.path("main", "/logs/follow")).await;
    stream.state("following").await;
    gate.close();
    stream.state("down").await;
    here.stop(&id).await;
    gate.open();
    stream.lines_until("why it ends").await;
    let stopped = stream.state("stopped").await;
    assert_eq!(stopped["exit_code"], 3);
    assert_eq!(stream.lines, ["begun", "why it ends"]);
    here.end(&[id]).await;
}

#[tokio::test]
async fn lines_before_a_moment_are_found_however_many_came_after_it() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let script = says(
        "for n in {1..20}; do echo $n; done; read -t 1 <> <(:); for n in {21..2000}; do echo $n; done",
    );
    let id = here.run("main", made(&script)).await;
    let all = written(&here, 2_000).await;
    let last: DateTime<Utc> = all["items"][19]["at"].as_str().unwrap().parse().unwrap();
    let until = (last + TimeDelta::milliseconds(500)).to_rfc3339_opts(SecondsFormat::Nanos, true);
    let before = logs(&here, &format!("until={until}&tail=3")).await;
    assert_eq!(texts(&before), ["18", "19", "20"]);
    here.end(&[id]).await;
}

#[tokio::test]
async fn f61_a_container_that_is_renamed_out_of_the_project_is_not_followed_any_more() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    here.watch();
    let id = here.run("main", made(COUNTS)).await;
    here.until_cached("main", "running").await;
    let mut stream = here.follow(&here.path("main", "/logs/follow")).await;
    stream.lines_until("3").await;
    here.rename(&id, &format!("away-{}", here.prefix)).await;
    stream.state("gone").await;
    let answer = here.client.get(&here.path("main", "/logs")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    here.end(&[id]).await;
}

#[tokio::test]
async fn cve_2026_53522_streams_are_bounded_and_come_free_again() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let script = says("echo hello");
    let id = here.run("main", made(&script)).await;
    let path = here.path("main", "/logs/follow?tail=1");
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(here.follow(&path).await);
    }
    let refused = here.client.get(&path).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::TOO_MANY_REQUESTS, "too_many_streams")
    );
    open.pop();
    let again = here
        .client
        .send(here.client.request(Method::GET, &path, None))
        .await;
    assert_eq!(again.status(), StatusCode::OK);
    drop((open, again));
    here.end(&[id]).await;
}

#[tokio::test]
async fn whoever_is_too_slow_is_told_how_many_lines_are_missing() {
    let Some(here) = Engine::begin().await else {
        return;
    };
    let id = here
        .run(
            "main",
            made("trap 'exit 0' TERM; i=0; while :; do for n in {1..50}; do i=$((i+1)); echo $i; done; read -t 0.01 <> <(:); done"),
        )
        .await;
    let path = here.path("main", "/logs/follow?tail=1");
    let (mut slow, mut quick) = (here.follow(&path).await, here.follow(&path).await);
    slow.of_kind("lines").await;
    for _ in 0..120 {
        quick.of_kind("lines").await;
    }
    here.stop(&id).await;
    let dropped = slow.of_kind("dropped").await;
    assert!(dropped["lines"].as_u64().unwrap() > 0, "{dropped}");
    assert_eq!(dropped["container"], here.name("main").as_str());
    // What comes after the gap goes on from there, to the end.
    let mut next = slow.of_kind("lines").await;
    while next["lines"].as_array().unwrap().is_empty() {
        next = slow.of_kind("lines").await;
    }
    assert_eq!(json!(next["container"]), json!(here.name("main")));
    here.end(&[id]).await;
}
