"""The small conditional denoiser: its spec, training, sampler, judge and metrics."""
