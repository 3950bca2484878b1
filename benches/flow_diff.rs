//! The difference of two workflows of 500 nodes each, of which every tenth was changed. Target: under 10 ms.

use criterion::{Criterion, criterion_group, criterion_main};
use flowkeep::features::flows::diff::diff;
use flowkeep::features::n8n::Flow;
use serde_json::{Value, json};

const NODES: usize = 500;

fn flow(is_changed: bool) -> Flow {
    let nodes: Vec<Value> = (0..NODES)
        .map(|n| {
            let value = if is_changed && n % 10 == 0 { n + 1 } else { n };
            let fields: Vec<Value> = (0..8)
                .map(|field| json!({ "id": field, "name": format!("field {field}"), "value": format!("={{{{ $json.a{value} }}}}") }))
                .collect();
            json!({
                "id": format!("node-{n}"), "name": format!("Node {n}"), "type": "n8n-nodes-base.set", "typeVersion": 3.4,
                "position": [n * 20, n % 7 * 100], "parameters": { "assignments": { "assignments": fields }, "options": {} },
            })
        })
        .collect();
    let connections: serde_json::Map<String, Value> = (1..NODES)
        .map(|n| {
            let to =
                json!({ "main": [[{ "node": format!("Node {n}"), "type": "main", "index": 0 }]] });
            (format!("Node {}", n - 1), to)
        })
        .collect();
    let fields = json!({ "id": "w", "name": "Large", "nodes": nodes, "connections": connections, "settings": {} });
    Flow::from_fields(fields.as_object().cloned().unwrap_or_default())
}

fn bench(c: &mut Criterion) {
    let (old, new) = (flow(false), flow(true));
    c.bench_function("diff of 500 nodes", |b| b.iter(|| diff(&old, &new)));
}

criterion_group!(benches, bench);
criterion_main!(benches);
