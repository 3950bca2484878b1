//! How a message looks: HTML in tables with inline styles, as mail clients want it, and the same in plain
//! text. Every text that goes in is HTML or template source already.

use super::defaults::{Content, Tone};

const PAGE: &str = include_str!("defaults/layout.html");
const FONT: &str = "font-family:Arial,Helvetica,sans-serif;";
/// Longest line of the plain text's rule.
const RULE: &str = "----------------------------------------";

impl Tone {
    /// The colour of the bar and the button.
    pub fn color(self) -> &'static str {
        match self {
            Self::Good => "#15803d",
            Self::Bad => "#b91c1c",
            Self::Careful => "#b45309",
            Self::Plain => "#c2410c",
        }
    }
}

/// The whole page.
pub fn html(content: &Content<'_>) -> String {
    let usual = content.tone.color();
    let color = &if content.follows_event {
        format!("{{% if color %}}{{{{ color }}}}{{% else %}}{usual}{{% endif %}}")
    } else {
        usual.to_owned()
    };
    let mut rows = String::new();
    for paragraph in &content.paragraphs {
        rows.push_str(&when(
            paragraph.when,
            &format!(
                "<tr><td class=\"pad strong\" style=\"padding:14px 36px 0 36px;{FONT}font-size:15px;line-height:23px;color:#374151;\">{}</td></tr>\n",
                paragraph.text
            ),
        ));
    }
    if !content.facts.is_empty() {
        rows.push_str("<tr><td class=\"pad\" style=\"padding:18px 36px 0 36px;\"><table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\">\n");
        for fact in &content.facts {
            rows.push_str(&when(
                fact.when,
                &format!(
                    "<tr><td class=\"soft line\" valign=\"top\" width=\"150\" style=\"width:150px;padding:8px 12px 8px 0;border-bottom:1px solid #e5e7eb;{FONT}font-size:13px;line-height:20px;color:#6b7280;\">{}</td>\
                     <td class=\"strong line\" valign=\"top\" style=\"padding:8px 0;border-bottom:1px solid #e5e7eb;{FONT}font-size:14px;line-height:20px;color:#111827;word-break:break-word;\">{}</td></tr>\n",
                    fact.label, fact.value
                ),
            ));
        }
        rows.push_str("</table></td></tr>\n");
    }
    for button in &content.buttons {
        let (background, text) = if button.is_quiet {
            ("#e5e7eb", "#111827")
        } else {
            (color.as_str(), "#ffffff")
        };
        rows.push_str(&when(
            button.when,
            &format!(
                "<tr><td class=\"pad\" style=\"padding:22px 36px 0 36px;\"><table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\"><tr>\
                 <td bgcolor=\"{background}\" style=\"background-color:{background};border-radius:6px;mso-padding-alt:11px 20px;\"><a href=\"{}\" style=\"display:inline-block;padding:11px 20px;{FONT}font-size:15px;line-height:20px;font-weight:bold;color:{text};text-decoration:none;\">{}</a></td>\
                 </tr></table></td></tr>\n",
                button.url, button.label
            ),
        ));
    }
    PAGE.replace("@@COLOR@@", color)
        .replace("@@FOOTER@@", content.footer)
        .replace("@@TITLE@@", content.heading)
        .replace("@@PREHEADER@@", content.preheader)
        .replace("@@HEADING@@", content.heading)
        .replace("@@CONTENT@@", rows.trim_end())
}

/// The same in plain text.
pub fn text(content: &Content<'_>) -> String {
    // Each piece begins with its line break, so that one that is left out leaves no gap.
    let mut lines = content.heading.to_owned();
    for paragraph in &content.paragraphs {
        lines.push_str(&when(paragraph.when, &format!("\n\n{}", paragraph.text)));
    }
    if !content.facts.is_empty() {
        lines.push('\n');
    }
    for fact in &content.facts {
        let label = format!("{}:", fact.label);
        let line = format!("\n{label:<16} {}", fact.value);
        lines.push_str(&when(fact.when, &line));
    }
    for button in &content.buttons {
        let line = format!("\n\n{}: {}", button.label, button.url);
        lines.push_str(&when(button.when, &line));
    }
    format!("{lines}\n\n{RULE}\n{}\n", content.footer)
}

/// What is only there when a variable is.
fn when(variable: Option<&str>, text: &str) -> String {
    match variable {
        Some(name) => format!("{{% if {name} %}}{text}{{% endif %}}"),
        None => text.to_owned(),
    }
}
