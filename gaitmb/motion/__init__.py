"""The network: DSTformer, its checkpoints, clips and embeddings; the only place that knows torch."""
