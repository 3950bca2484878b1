//! What Prometheus reads: a registry that every part adds to, and the counters of HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The type of the text that [`Metrics::encode`] makes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds in seconds: from answers out of memory to a login.
const BUCKETS: [f64; 10] = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// The route of what no route answers: the browser interface and mistakes.
const NO_ROUTE: &str = "(interface)";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

#[derive(Clone)]
struct Buckets;

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(BUCKETS)
    }
}

/// The metrics of this process. Cheap to clone; all clones are one registry.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, Buckets>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let requests = Family::<RequestLabels, Counter>::default();
        let durations = Family::new_with_constructor(Buckets);
        registry.register(
            "flowkeep_http_requests",
            "HTTP requests answered",
            requests.clone(),
        );
        registry.register(
            "flowkeep_http_request_duration_seconds",
            "Time until the head of the answer",
            durations.clone(),
        );
        let metrics = Self {
            registry: Arc::new(Mutex::new(registry)),
            requests,
            durations,
        };
        metrics.gauge("process_resident_memory_bytes", "Memory in use", || {
            resident_bytes().unwrap_or(0)
        });
        metrics
    }
}

impl Metrics {
    /// Adds metrics under names of the caller's, which begin with `flowkeep_`.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock());
    }

    /// Adds a number that is looked up whenever Prometheus asks.
    pub fn gauge(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> i64 + Send + Sync + 'static,
    ) {
        let read = Box::new(read);
        let gauge = ReadGauge { name, help, read };
        self.registry.lock().register_collector(Box::new(gauge));
    }

    /// All of them as OpenMetrics text.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry.lock())?;
        Ok(text)
    }

    /// Counters for a route that is asked so often that looking them up each time would show.
    pub fn of_route(&self, method: &'static str, route: &str, statuses: &[u16]) -> RouteMetrics {
        let labels = RouteLabels {
            method,
            route: route.to_owned(),
        };
        let requests = statuses
            .iter()
            .map(|status| {
                let labels = RequestLabels {
                    method,
                    route: route.to_owned(),
                    status: *status,
                };
                (*status, self.requests.get_or_create_owned(&labels))
            })
            .collect();
        RouteMetrics {
            requests,
            durations: self.durations.get_or_create_owned(&labels),
        }
    }

    fn observe(&self, method: &Method, route: &str, status: u16, took: Duration) {
        let method = known(method);
        let labels = RouteLabels {
            method,
            route: route.to_owned(),
        };
        self.durations
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
        let labels = RequestLabels {
            method,
            route: labels.route,
            status,
        };
        self.requests.get_or_create(&labels).inc();
    }
}

/// The counters of one route.
#[derive(Clone, Debug)]
pub struct RouteMetrics {
    requests: Arc<[(u16, Counter)]>,
    durations: Histogram,
}

impl RouteMetrics {
    /// Counts and times one request. Only statuses that were named beforehand are counted.
    pub fn observe(&self, status: u16, took: Duration) {
        if let Some((_, counter)) = self.requests.iter().find(|(known, _)| *known == status) {
            counter.inc();
        }
        self.durations.observe(took.as_secs_f64());
    }
}

/// A client can make methods up; a label must not take them all.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

struct ReadGauge {
    name: &'static str,
    help: &'static str,
    read: Box<dyn Fn() -> i64 + Send + Sync>,
}

impl fmt::Debug for ReadGauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadGauge")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Collector for ReadGauge {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let gauge = ConstGauge::new((self.read)());
        let metric = encoder.encode_descriptor(self.name, self.help, None, gauge.metric_type())?;
        gauge.encode(metric)
    }
}

/// Middleware: counts and times what is behind it, by route.
pub async fn observe(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    metrics.observe(
        &method,
        route,
        response.status().as_u16(),
        started.elapsed(),
    );
    response
}

/// Memory of this process that is in use, in bytes, as Linux counts it.
pub fn resident_bytes() -> Option<i64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: i64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    let page_bytes = i64::try_from(rustix::param::page_size()).ok()?;
    Some(pages * page_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_made_up_methods_share_a_label() {
        let metrics = Metrics::default();
        let took = Duration::from_millis(2);
        metrics.observe(&Method::GET, "/api/a/{id}", 200, took);
        metrics.observe(&Method::GET, "/api/a/{id}", 200, took);
        metrics.observe(&Method::from_bytes(b"BREW").unwrap(), NO_ROUTE, 405, took);
        metrics.gauge("flowkeep_pots", "Pots", || 3);
        let text = metrics.encode().unwrap();
        for line in [
            "flowkeep_http_requests_total{method=\"GET\",route=\"/api/a/{id}\",status=\"200\"} 2\n",
            "flowkeep_http_requests_total{method=\"other\",route=\"(interface)\",status=\"405\"} 1\n",
            "flowkeep_http_request_duration_seconds_count{method=\"GET\",route=\"/api/a/{id}\"} 2\n",
            "flowkeep_pots 3\n",
            "# EOF\n",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        assert!(resident_bytes().unwrap() > 100_000);
    }
}
