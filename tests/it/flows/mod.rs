//! The time machine for workflows, on the database of a real n8n 2.41.

mod api;
mod read;
mod restore;
mod upload;

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::Connection;

use crate::backups::Story;
use crate::support::app::TestApp;
use crate::support::postgres::{SAMPLE_KEY, connect, sample_n8n, url_of};

/// An application that looks after a copy of the sample n8n.
pub async fn story() -> Story {
    let story = Story::on(sample_n8n().await, TestApp::builder()).await;
    let body =
        json!({ "database_url": url_of(&story.source), "encryption_key": SAMPLE_KEY.trim() });
    story.client.put("/api/n8n/connection", body).await;
    story
}

/// Runs statements in n8n's database.
pub async fn change(story: &Story, sql: &'static str) {
    let mut connection = connect(&story.source).await;
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// One value out of n8n's database, as text.
pub async fn ask(story: &Story, sql: &'static str) -> Option<String> {
    let mut connection = connect(&story.source).await;
    let found = sqlx::query_scalar(sql)
        .fetch_optional(&mut connection)
        .await;
    connection.close().await.unwrap();
    found.unwrap().flatten()
}

/// A page that must be there.
pub async fn get(story: &Story, path: &str) -> Value {
    let answer = story.client.get(path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer.json()
}

/// What is in a backup.
pub async fn contents(story: &Story, backup: &Value) -> Value {
    get(story, &format!("/api/flows/from-backup/{}", backup["id"])).await
}

/// Ids by name.
pub fn id_of(list: &Value, name: &str) -> String {
    let items = list["items"].as_array().unwrap();
    let found = items.iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {list}"))["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Restores and returns what became of the only workflow.
pub async fn restore(story: &Story, body: Value) -> Value {
    let answer = story.client.post("/api/flows/restore", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let restore = answer.json();
    assert_eq!(restore["items"].as_array().unwrap().len(), 1, "{restore}");
    restore["items"][0].clone()
}
