"""What the coordinator is and does: membership, topology, mailbox, aggregation, audits."""
