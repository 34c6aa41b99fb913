"""Deribit market data: exchange -> warehouse -> quality, joined by the pipeline."""
