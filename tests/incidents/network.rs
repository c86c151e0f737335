//! A network between the nodes of a local cluster that can be parted: one source address for each node, and in front of each
//! node's ports a way that swallows what comes from some of them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rgc_tui::cluster::Address;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::common::{Cluster, wait_within};

/// Who cannot reach whom, by number.
type Cuts = BTreeSet<(usize, usize)>;

pub struct Network {
    nodes: usize,
    cuts: watch::Sender<Cuts>,
    /// Where each node is entered, by its peers and by clients.
    places: Vec<Address>,
}

/// Where this node's own connections come from.
fn source(node: usize) -> String {
    format!("127.0.1.{}", node + 1)
}

impl Network {
    /// From now on all connections between the nodes go this way.
    pub async fn between(cluster: &Cluster) -> Self {
        let servers = cluster.addresses();
        let (cuts, cut) = watch::channel(Cuts::default());
        let mut places = Vec::new();
        for (node, server) in servers.iter().enumerate() {
            let bus = Address::new("127.0.0.1", server.port + 10_000);
            let [client_way, bus_way] = [open(server.clone(), node, cut.clone()).await, open(bus, node, cut.clone()).await];
            for setting in [
                format!("bind-source-addr {}", source(node)),
                format!("cluster-announce-bus-port {bus_way}"),
                format!("cluster-announce-port {client_way}"),
                "cluster-announce-ip 127.0.0.1".to_owned(),
            ] {
                cluster.ok(server, &format!("CONFIG SET {setting}")).await;
            }
            places.push(Address::new("127.0.0.1", client_way));
        }
        let network = Self { nodes: servers.len(), cuts, places };
        wait_within("all have found the new ways", std::time::Duration::from_secs(60), async || {
            for server in &servers {
                let view = cluster.view(server).await;
                let found = view.members.iter().all(|member| network.places.contains(&member.address) && member.link_up);
                let down = cluster.info(server, "master_link_status").await.as_deref() == Some("down");
                if !found || down {
                    return false;
                }
            }
            true
        })
        .await;
        network
    }

    pub fn places(&self) -> &[Address] {
        &self.places
    }

    /// These and all others do not reach each other any more.
    pub fn part(&self, apart: &[usize]) {
        let cut = |from: usize, to: usize| apart.contains(&from) != apart.contains(&to);
        let all = (0..self.nodes).flat_map(|from| (0..self.nodes).map(move |to| (from, to)));
        self.cuts.send_replace(all.filter(|(from, to)| cut(*from, *to)).collect());
    }

    pub fn heal(&self) {
        self.cuts.send_replace(Cuts::default());
    }
}

/// A port that leads to this one of the node's.
async fn open(target: Address, node: usize, cut: watch::Receiver<Cuts>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((near, from)) = listener.accept().await {
            tokio::spawn(pass(near, number(from.ip()), target.clone(), node, cut.clone()));
        }
    });
    port
}

/// The node that this connection comes from; whoever else it is reaches everybody.
fn number(from: IpAddr) -> Option<usize> {
    match from {
        IpAddr::V4(from) if from.octets()[..3] == [127, 0, 1] => Some(usize::from(from.octets()[3]) - 1),
        _ => None,
    }
}

/// Hands everything on, both ways, until the way is cut; what comes then is swallowed, and the connection ends when it heals.
async fn pass(mut near: TcpStream, from: Option<usize>, target: Address, node: usize, mut cut: watch::Receiver<Cuts>) {
    let is_cut = |cuts: &Cuts| from.is_some_and(|from| cuts.contains(&(from, node)));
    if !is_cut(&cut.borrow_and_update()) {
        let Ok(mut far) = TcpStream::connect(target.to_string()).await else { return };
        let mut until = cut.clone();
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
            _ = until.wait_for(is_cut) => {}
        }
        let _ = cut.wait_for(|cuts| !is_cut(cuts)).await;
        drop(far);
        return;
    }
    let _ = cut.wait_for(|cuts| !is_cut(cuts)).await;
}
