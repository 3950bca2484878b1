//! Messages that are no template: a title and a text in the same dress. Pure.

use chrono::{DateTime, Utc};
use minijinja::HtmlEscape;
use url::Url;
use uuid::Uuid;

use super::defaults::{Button, Content, PLAIN_FOOTER, Paragraph, Tone};
use super::layout;
use super::template::{Parts, one_line};
use crate::platform::mail::Importance;

/// Most characters of a text that are sent.
const MOST_CHARS: usize = 20_000;

/// A message that is no template.
#[derive(Clone, Debug)]
pub struct PlainRequest<'a> {
    /// One line: the subject and the heading.
    pub title: &'a str,
    /// Plain text, perhaps of several lines.
    pub body: &'a str,
    /// What kind of news it is.
    pub tone: Tone,
    /// Where to read more.
    pub link: Option<&'a Url>,
    /// Where to acknowledge it.
    pub acknowledge: Option<&'a Url>,
    /// Who gets it; those of the settings if absent.
    pub to: Option<Vec<String>>,
    /// The same in every attempt.
    pub message_id: Uuid,
    /// When it happened; now if absent.
    pub occurred_at: Option<DateTime<Utc>>,
    /// How a mail client shows it in its list.
    pub importance: Importance,
}

/// The message, dressed.
pub fn render(request: &PlainRequest<'_>, host: &str, time: &str) -> Parts {
    let subject = one_line(request.title);
    let body: String = request.body.chars().take(MOST_CHARS).collect();
    let footer = PLAIN_FOOTER
        .replace("@@HOST@@", host)
        .replace("@@TIME@@", time);
    let html = |text: &str| HtmlEscape(text).to_string();
    let as_html = |text: &str| html(text.trim()).replace('\n', "<br>\n");
    let first_line = body.trim().lines().next().unwrap_or_default();
    let parts = |is_html: bool| {
        let show = |text: &str| if is_html { html(text) } else { text.to_owned() };
        let body = if is_html {
            as_html(&body)
        } else {
            body.trim().to_owned()
        };
        let links = [
            (request.link, "Open in Flowkeep", false),
            (request.acknowledge, "Acknowledge", request.link.is_some()),
        ];
        let urls: Vec<_> = links
            .iter()
            .filter_map(|(url, label, is_quiet)| {
                Some((show(url.as_ref()?.as_str()), *label, *is_quiet))
            })
            .collect();
        let buttons = urls.iter().map(|(url, label, is_quiet)| Button {
            label,
            url,
            when: None,
            is_quiet: *is_quiet,
        });
        let paragraphs = if body.is_empty() {
            Vec::new()
        } else {
            vec![Paragraph {
                text: &body,
                when: None,
            }]
        };
        let content = Content {
            tone: request.tone,
            follows_event: false,
            heading: &show(&subject),
            preheader: &show(first_line),
            paragraphs,
            facts: Vec::new(),
            buttons: buttons.collect(),
            footer: &show(&footer),
        };
        if is_html {
            layout::html(&content)
        } else {
            layout::text(&content)
        }
    };
    let (html, text) = (parts(true), parts(false));
    Parts {
        subject,
        html,
        text,
    }
}
