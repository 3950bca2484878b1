//! nginx' configuration, made from the very files that come with Flowkeep in `nginx/`.

use super::site::Home;
use super::store::Service;

const HTTP: &str = include_str!("../../../nginx/flowkeep-http.conf");
const TLS: &str = include_str!("../../../nginx/snippets/flowkeep-tls.conf");
const PROXY: &str = include_str!("../../../nginx/snippets/flowkeep-proxy.conf");
const VERIFY: &str = include_str!("../../../nginx/snippets/flowkeep-verify.conf");
const AUTH_REQUEST: &str = include_str!("../../../nginx/snippets/flowkeep-auth-request.conf");
const FLOWKEEP: &str = include_str!("../../../nginx/flowkeep.conf");
const AT_HOME: &str = include_str!("../../../nginx/flowkeep-tools/dozzle.conf");
const ON_ITS_OWN: &str = include_str!("../../../nginx/sites/dozzle.conf");

/// A file for nginx.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NginxFile {
    /// Where it goes, under nginx' folder.
    pub path: String,
    /// What it is for.
    pub about: &'static str,
    /// Whether one of it serves every tool.
    pub is_shared: bool,
    /// What stands in it.
    pub text: String,
}

/// Every file for one tool: its own first, then those that are there once.
pub fn files(service: &Service, home: &Home) -> Vec<NginxFile> {
    let shared = |path: &str, about, text: &str| NginxFile {
        path: path.to_owned(),
        about,
        is_shared: true,
        text: text
            .replace(
                "https://flowkeep.example.com",
                &format!("{}://{}", home.scheme(), home.authority),
            )
            .replace("flowkeep.example.com", &home.name),
    };
    vec![
        tool(service, service.host == home.authority),
        shared(
            "conf.d/flowkeep-http.conf",
            "Where Flowkeep is, and what is kept from tools.",
            HTTP,
        ),
        shared(
            "snippets/flowkeep-auth-request.conf",
            "What makes a location a guarded one.",
            AUTH_REQUEST,
        ),
        shared(
            "snippets/flowkeep-verify.conf",
            "How nginx asks Flowkeep, and what people see meanwhile.",
            VERIFY,
        ),
        shared(
            "snippets/flowkeep-tls.conf",
            "HTTPS, and which headers are headers.",
            TLS,
        ),
        shared(
            "snippets/flowkeep-proxy.conf",
            "How Flowkeep itself is passed on.",
            PROXY,
        ),
        shared(
            "sites-enabled/flowkeep.conf",
            "Flowkeep itself, on port 443 and on port 3333.",
            FLOWKEEP,
        ),
    ]
}

fn tool(service: &Service, shares_server: bool) -> NginxFile {
    let slug = &service.slug;
    let fill = |text: &str| {
        text.replace(
            "proxy_pass http://127.0.0.1:8080;",
            &format!("proxy_pass {};", service.upstream),
        )
        .replace(
            "$flowkeep_service dozzle;",
            &format!("$flowkeep_service {slug};"),
        )
    };
    if shares_server {
        return NginxFile {
            path: format!("flowkeep-tools/{slug}.conf"),
            about: "The tool under its path on Flowkeep's host name.",
            is_shared: false,
            text: fill(AT_HOME)
                .replace(
                    "flowkeep-tools/dozzle.conf",
                    &format!("flowkeep-tools/{slug}.conf"),
                )
                .replace("/dozzle/", &service.path_prefix),
        };
    }
    let (name, port) = match service.host.rsplit_once(':') {
        Some((name, port))
            if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            (name, port)
        }
        _ => (service.host.as_str(), "443"),
    };
    NginxFile {
        path: format!("sites-enabled/{slug}.conf"),
        about: "The tool with its own host name.",
        is_shared: false,
        text: fill(ON_ITS_OWN)
            .replace(
                "sites-enabled/dozzle.conf",
                &format!("sites-enabled/{slug}.conf"),
            )
            .replace("dozzle.example.com", name)
            .replace("443 ssl", &format!("{port} ssl")),
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;

    fn service(slug: &str, host: &str, prefix: &str, upstream: &str) -> Service {
        Service {
            slug: slug.to_owned(),
            name: slug.to_owned(),
            host: host.to_owned(),
            path_prefix: prefix.to_owned(),
            upstream: upstream.to_owned(),
            is_enabled: true,
            requires_step_up: false,
            step_up_minutes: 30,
            remote_roles: "none".to_owned(),
            remote_filter: None,
            created_at: chrono::DateTime::<Utc>::UNIX_EPOCH,
            updated_at: chrono::DateTime::<Utc>::UNIX_EPOCH,
        }
    }

    fn home(url: &str) -> Home {
        Home::of(&url::Url::parse(url).unwrap()).unwrap()
    }

    #[test]
    fn what_is_shown_for_the_examples_is_what_is_shipped() {
        let at_home = home("https://flowkeep.example.com");
        let shipped = |path: &str| {
            std::fs::read_to_string(format!("{}/nginx/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
        };
        for (slug, upstream) in [
            ("adminer", "http://127.0.0.1:8081"),
            ("dozzle", "http://127.0.0.1:8080"),
        ] {
            let sibling = service(slug, &format!("{slug}.example.com"), "/", upstream);
            let files = files(&sibling, &at_home);
            assert_eq!(files[0].text, shipped(&format!("sites/{slug}.conf")));
            for file in &files[1..] {
                let path = file
                    .path
                    .replace("conf.d/", "")
                    .replace("sites-enabled/", "");
                assert_eq!(file.text, shipped(&path), "{path}");
            }
            let path = service(slug, "flowkeep.example.com", &format!("/{slug}/"), upstream);
            assert_eq!(
                tool(&path, true).text,
                shipped(&format!("flowkeep-tools/{slug}.conf"))
            );
        }
    }

    #[test]
    fn a_tools_own_names_and_ports_are_put_in() {
        let at_home = home("https://box.home.lan:3333");
        let sibling = service("logs", "logs.home.lan:8443", "/", "http://10.0.0.2:80");
        let files = files(&sibling, &at_home);
        let own = &files[0].text;
        for line in [
            "listen 8443 ssl http2;",
            "server_name logs.home.lan;",
            "set $flowkeep_service logs;",
            "proxy_pass http://10.0.0.2:80;",
        ] {
            assert!(own.contains(line), "{line} is not in {own}");
        }
        assert!(files[1].text.contains("default https://box.home.lan:3333;"));
        assert!(files.iter().all(|file| !file.text.contains("example.com")));
        let path = service("logs", "box.home.lan:3333", "/logs/", "http://10.0.0.2:80");
        assert!(tool(&path, true).text.contains("location /logs/ {"));
    }
}
