//! Real servers on this machine: started, harmed, revived, and gone at the end.

mod common;

use common::{Cluster, wait_until};
use rgc_tui::local::LocalFault;

#[tokio::test]
async fn a_cluster_forms_by_itself() {
    let cluster = Cluster::start(3, 1).await;
    assert_eq!(cluster.addresses().len(), 6);
    for (n, address) in cluster.addresses().into_iter().enumerate() {
        let view = cluster.view(&address).await;
        let me = view.myself().unwrap();
        assert_eq!(me.address, address);
        if n < 3 {
            assert_eq!(me.slots.len(), 1, "{address}");
        } else {
            assert_eq!(me.master, Some(cluster.view(&cluster.at(n - 3)).await.myself().unwrap().id), "{address}");
            assert_eq!(cluster.info(&address, "master_link_status").await.as_deref(), Some("up"));
        }
    }
    let folder = cluster.folder();
    let pids: Vec<u32> = cluster.nodes().into_iter().map(|node| node.pid.unwrap()).collect();
    assert!(folder.is_dir() && pids.iter().all(|&pid| runs(pid)));
    drop(cluster);
    assert!(!folder.exists() && pids.iter().all(|&pid| !runs(pid)));
}

fn runs(pid: u32) -> bool {
    std::process::Command::new("sh").args(["-c", &format!("kill -0 {pid}")]).output().unwrap().status.success()
}

#[tokio::test]
async fn a_killed_master_comes_back_as_a_replica() {
    let cluster = Cluster::start(3, 1).await;
    let (victim, heir) = (cluster.at(0), cluster.at(3));
    let id = cluster.view(&victim).await.myself().unwrap().id;
    cluster.fault(&victim, LocalFault::Kill).await.unwrap();
    assert_eq!(cluster.nodes()[0].pid, None);
    // Restarted at once: it waits for its heir, or both would be empty.
    cluster.fault(&victim, LocalFault::Restart).await.unwrap();
    assert_eq!(cluster.role(&heir).await, "master");
    wait_until("the old master is a replica in sync", async || {
        cluster.role(&victim).await == "slave" && cluster.info(&victim, "master_link_status").await.as_deref() == Some("up")
    })
    .await;
    assert_eq!(cluster.view(&victim).await.myself().unwrap().id, id);
    cluster.wait_ok(&cluster.addresses()).await;
}
