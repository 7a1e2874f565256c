//! What the servers of a model answer when they are asked.

use std::collections::BTreeMap;

use slotwright_cluster::{
    ClusterInfo, ClusterNodes, ClusterState, Flags, LinkState, NodeAnswer, NodeEntry, NodeId,
    ReplicationInfo, Role, ServerInfo, StrayKeys,
};

use super::{Header, Known, Model, Server};
use crate::{ClusterView, Observation};

impl Server {
    fn entry(&self, id: NodeId, known: &Known) -> NodeEntry {
        NodeEntry {
            id,
            endpoint: known.endpoint.clone(),
            flags: Flags {
                role: Some(if known.primary.is_some() { Role::Replica } else { Role::Primary }),
                ..Flags::default()
            },
            primary: known.primary,
            ping_sent_ms: 0,
            pong_received_ms: 0,
            config_epoch: known.epoch,
            link: LinkState::Connected,
            slots: known.slots.clone(),
            open_slots: Vec::new(),
            aux: BTreeMap::new(),
        }
    }
}

impl Model {
    /// What each server answers; the order of the lines is that of ids, rotated by `turn`.
    pub(crate) fn observations(&self, turn: usize) -> Vec<Observation> {
        let mut all: Vec<Observation> = self.servers.iter().map(|server| self.answer(server, turn)).collect();
        // As a fleet does: who holds keys is asked for keys in slots that nobody owns.
        let members = self.servers.iter().map(|server| server.member.clone()).collect();
        let uncovered = ClusterView::new(members, all.clone()).uncovered();
        for (answer, server) in all.iter_mut().zip(&self.servers) {
            let stray = &server.keys & &uncovered;
            if let Ok(answer) = answer {
                let found = stray.ranges().map(|slots| StrayKeys { slots, keys: slots.len() as u64 });
                answer.stray_keys = found.collect();
            }
        }
        all
    }

    pub(crate) fn view(&self) -> ClusterView {
        self.view_with(self.observations(0))
    }

    pub(crate) fn view_with(&self, observations: Vec<Observation>) -> ClusterView {
        let members = self.servers.iter().map(|server| server.member.clone()).collect();
        ClusterView::new(members, observations)
    }

    fn answer(&self, server: &Server, turn: usize) -> Observation {
        if !server.up {
            return Err("connection refused".to_owned());
        }
        let Header(id, own) = server.header();
        let mut myself = server.entry(id, &own);
        myself.flags.myself = true;
        myself.open_slots = server.open.clone();
        let mut entries = vec![myself];
        for (id, known) in &server.known {
            let mut entry = server.entry(*id, known);
            if !self.linked(server, *id) {
                entry.link = LinkState::Disconnected;
                entry.flags.failed = true;
            }
            entries.push(entry);
        }
        for entry in &mut entries {
            // A replica shows its primary's epoch.
            let primary = entry.primary.and_then(|id| server.known.get(&id));
            entry.config_epoch = primary.map_or(entry.config_epoch, |known| known.epoch);
        }
        let turn = turn % entries.len();
        entries.rotate_left(turn);
        Ok(NodeAnswer {
            id,
            cluster: ClusterInfo {
                state: if server.ok { ClusterState::Ok } else { ClusterState::Fail },
                slots_assigned: server.taken().len() as u16,
                known_nodes: entries.len() as u64,
                current_epoch: server.current_epoch,
            },
            nodes: ClusterNodes { entries },
            server: ServerInfo {
                engine: "redis".to_owned(),
                version: "7.0.15".to_owned(),
                process_id: 1,
                uptime_s: 60,
                used_memory: 1 << 20,
                max_memory: 0,
                keys: server.keys.len() as u64,
                loading: server.loading,
                replication: ReplicationInfo {
                    role: if server.primary.is_some() { Role::Replica } else { Role::Primary },
                    link_up: server.link_up,
                    primary_host: server
                        .primary
                        .and_then(|id| server.known.get(&id))
                        .map(|known| known.endpoint.host.clone()),
                    offset: server.keys.len() as u64,
                },
            },
            settings: server.settings.clone(),
            stray_keys: Vec::new(),
        })
    }
}
