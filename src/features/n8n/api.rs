//! n8n's public API (`/api/v1` of 1.123 and 2.41): what it takes is read from the description it serves
//! itself, for it refuses every field it does not know, and what it knows differs by version.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::ApiTaste;
use super::api_taste::{basic_taste, body, description, taste_of};
use super::flow::{Flow, Tag};
use crate::platform::causes::root_cause;
use crate::platform::outbound::guarded_client;

const LIMIT: Duration = Duration::from_mins(1);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// n8n's own limit of a page.
const PAGE: usize = 100;
/// Its description of 2.41 has 1 MB; a workflow with pinned data can have 16.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// More pages than any n8n has.
const MOST_PAGES: usize = 1_000;

/// Why n8n's API did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiTrouble {
    /// Nobody answers there.
    #[error("n8n does not answer at {0}: {1}")]
    NoAnswer(String, String),
    /// Something else answers there.
    #[error(
        "what answers at {0} is not n8n's public API; give n8n's address as in http://n8n:5678"
    )]
    NotN8n(String),
    /// The key is not one of its keys.
    #[error("n8n does not know the API key; make a new one in n8n under Settings, n8n API")]
    Key,
    /// The key may not do it.
    #[error("the API key may not {0}; make one in n8n that has the scope for it")]
    Scope(String),
    /// It refused, in its own words.
    #[error("n8n refused to {what}: {why}")]
    Refused {
        /// What was asked.
        what: String,
        /// Its words.
        why: String,
    },
}

/// n8n's public API.
#[derive(Clone, Debug)]
pub struct N8nApi {
    client: reqwest::Client,
    base: Url,
    key: SecretString,
}

impl N8nApi {
    /// The API of the n8n at `base`, with a key.
    pub fn new(base: &Url, key: SecretString) -> Result<Self, ApiTrouble> {
        // A redirect elsewhere would take the key along, so none is followed.
        let client = guarded_client()
            .timeout(LIMIT)
            .connect_timeout(CONNECT_LIMIT)
            .build()
            .map_err(|error| ApiTrouble::NoAnswer(base.to_string(), error.to_string()))?;
        let mut base = base.clone();
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        Ok(Self { client, base, key })
    }

    /// Where it is.
    pub fn base(&self) -> &Url {
        &self.base
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.base.as_str().trim_end_matches('/'))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Vec<u8>), ApiTrouble> {
        let away = |error: reqwest::Error| {
            ApiTrouble::NoAnswer(self.base.to_string(), root_cause(&error.without_url()))
        };
        let mut request = self
            .client
            .request(method, self.url(path))
            .header("X-N8N-API-KEY", self.key.expose_secret());
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut answer = request.send().await.map_err(away)?;
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(away)? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > MOST_BYTES {
                return Err(ApiTrouble::NotN8n(self.base.to_string()));
            }
        }
        Ok((status, bytes))
    }

    /// Asks; `what` says what for, as it follows on "may not" and "refused to". `None` for 404.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        what: &str,
    ) -> Result<Option<Value>, ApiTrouble> {
        let (status, bytes) = self.send(method, path, body).await?;
        let answer: Option<Value> = serde_json::from_slice(&bytes).ok();
        let refused = |why: String| ApiTrouble::Refused {
            what: what.to_owned(),
            why,
        };
        match (status, answer) {
            (StatusCode::UNAUTHORIZED, _) => Err(ApiTrouble::Key),
            (StatusCode::FORBIDDEN, _) => Err(ApiTrouble::Scope(what.to_owned())),
            // A page where nobody made one is HTML.
            (StatusCode::NOT_FOUND, Some(_)) => Ok(None),
            (status, Some(answer)) if status.is_success() => Ok(Some(answer)),
            (StatusCode::NO_CONTENT, None) => Ok(Some(Value::Null)),
            (status, Some(answer)) if status.is_client_error() || status.is_server_error() => {
                let said = answer["message"].as_str().unwrap_or_default();
                Err(refused(format!("{said} ({})", status.as_u16())))
            }
            _ => Err(ApiTrouble::NotN8n(self.base.to_string())),
        }
    }

    async fn must(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        what: &str,
    ) -> Result<Value, ApiTrouble> {
        let found = self.ask(method, path, body, what).await?;
        found.ok_or_else(|| ApiTrouble::Refused {
            what: what.to_owned(),
            why: "it is not there (404)".to_owned(),
        })
    }

    /// Whether key and address are right and the key may list workflows and tags.
    pub async fn check(&self) -> Result<(), ApiTrouble> {
        let list = self
            .must(Method::GET, "workflows?limit=1", None, "list workflows")
            .await?;
        if !list["data"].is_array() {
            return Err(ApiTrouble::NotN8n(self.base.to_string()));
        }
        self.must(Method::GET, "tags?limit=1", None, "list tags")
            .await
            .map(|_| ())
    }

    /// Scopes that putting workflows back needs and the key lacks, where n8n says (2.x).
    pub async fn missing_scopes(&self) -> Result<Vec<&'static str>, ApiTrouble> {
        const NEEDED: [&str; 9] = [
            "workflow:list",
            "workflow:read",
            "workflow:create",
            "workflow:update",
            "workflow:delete",
            "workflow:deactivate",
            "workflowTags:update",
            "tag:list",
            "tag:create",
        ];
        let Some(found) = self
            .ask(Method::GET, "discover", None, "see what it may do")
            .await?
        else {
            return Ok(Vec::new());
        };
        let Some(scopes) = found["data"]["scopes"].as_array() else {
            return Ok(Vec::new());
        };
        let has = |wanted: &str| scopes.iter().any(|scope| scope == wanted);
        Ok(NEEDED.into_iter().filter(|scope| !has(scope)).collect())
    }

    /// What this n8n takes, by its own description; what 1.123 takes when it serves none.
    pub async fn taste(&self) -> Result<ApiTaste, ApiTrouble> {
        let (status, bytes) = self
            .send(Method::GET, "docs/swagger-ui-init.js", None)
            .await?;
        let text = String::from_utf8_lossy(&bytes);
        let described = status.is_success().then(|| description(&text)).flatten();
        Ok(described
            .as_ref()
            .and_then(taste_of)
            .unwrap_or_else(basic_taste))
    }

    /// Every workflow.
    pub async fn flows(&self) -> Result<Vec<Flow>, ApiTrouble> {
        let mut flows = Vec::new();
        let mut cursor = String::new();
        for _ in 0..MOST_PAGES {
            let path = format!("workflows?limit={PAGE}{cursor}");
            let page = self
                .must(Method::GET, &path, None, "list workflows")
                .await?;
            for one in page["data"].as_array().into_iter().flatten() {
                if let Some(fields) = one.as_object() {
                    flows.push(Flow::from_fields(fields.clone()));
                }
            }
            let Some(next) = page["nextCursor"].as_str() else {
                break;
            };
            let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
            cursor = format!("&cursor={next}");
        }
        Ok(flows)
    }

    /// A workflow as it is now.
    pub async fn flow(&self, id: &str) -> Result<Option<Flow>, ApiTrouble> {
        let path = format!("workflows/{}", segment(id));
        let found = self
            .ask(Method::GET, &path, None, "read a workflow")
            .await?;
        let fields = found.and_then(|found| found.as_object().cloned());
        Ok(fields.map(Flow::from_fields))
    }

    /// Makes a workflow, inactive and with an id of n8n's own. Returns it.
    pub async fn create(&self, flow: &Flow, taste: &ApiTaste) -> Result<Flow, ApiTrouble> {
        let (body, _) = body(flow, &taste.create, taste);
        let made = self
            .must(Method::POST, "workflows", Some(&body), "create a workflow")
            .await?;
        let fields = made.as_object().cloned().unwrap_or_default();
        Ok(Flow::from_fields(fields))
    }

    /// Changes a workflow; n8n keeps the version before in its history. Make it inactive first: an n8n that
    /// cannot be asked otherwise sets a change of an active workflow live at once.
    pub async fn update(&self, id: &str, flow: &Flow, taste: &ApiTaste) -> Result<(), ApiTrouble> {
        let (body, _) = body(flow, &taste.update, taste);
        let query = if taste.has_publish_if_active {
            "?publishIfActive=false"
        } else {
            ""
        };
        let path = format!("workflows/{}{query}", segment(id));
        self.must(Method::PUT, &path, Some(&body), "change a workflow")
            .await
            .map(|_| ())
    }

    /// Makes a workflow inactive. One that is inactive already is fine.
    pub async fn deactivate(&self, id: &str) -> Result<(), ApiTrouble> {
        let path = format!("workflows/{}/deactivate", segment(id));
        self.must(Method::POST, &path, None, "deactivate a workflow")
            .await
            .map(|_| ())
    }

    /// Deletes a workflow. One that is not there is fine.
    pub async fn delete(&self, id: &str) -> Result<(), ApiTrouble> {
        let path = format!("workflows/{}", segment(id));
        self.ask(Method::DELETE, &path, None, "delete a workflow")
            .await
            .map(|_| ())
    }

    /// Gives a workflow exactly these tags; what n8n does not have is made.
    pub async fn set_tags(&self, id: &str, wanted: &[Tag]) -> Result<(), ApiTrouble> {
        let mut known: Vec<(String, String)> = Vec::new();
        let mut cursor = String::new();
        for _ in 0..MOST_PAGES {
            let path = format!("tags?limit={PAGE}{cursor}");
            let page = self.must(Method::GET, &path, None, "list tags").await?;
            for one in page["data"].as_array().into_iter().flatten() {
                let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
                known.push((text("name"), text("id")));
            }
            let Some(next) = page["nextCursor"].as_str() else {
                break;
            };
            let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
            cursor = format!("&cursor={next}");
        }
        let mut ids = Vec::new();
        for tag in wanted {
            let found = known.iter().find(|(name, _)| *name == tag.name);
            let id = if let Some((_, id)) = found {
                id.clone()
            } else {
                let body = json!({ "name": tag.name });
                let made = self
                    .must(Method::POST, "tags", Some(&body), "create a tag")
                    .await?;
                made["id"].as_str().unwrap_or_default().to_owned()
            };
            ids.push(json!({ "id": id }));
        }
        let path = format!("workflows/{}/tags", segment(id));
        self.must(
            Method::PUT,
            &path,
            Some(&Value::Array(ids)),
            "tag a workflow",
        )
        .await
        .map(|_| ())
    }
}

fn segment(id: &str) -> String {
    percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_its_place_in_a_path() {
        assert_eq!(segment("../users?x#y"), "%2E%2E%2Fusers%3Fx%23y");
    }
}
