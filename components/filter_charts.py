"""Charts of a sweep of filters: inclusivity by filter and against alpha, and the mean normalised signal."""

from __future__ import annotations

import numpy as np
import plotly.colors
import plotly.graph_objects as go

from xai_core.filter_study import MEASURES, Sweep, curves, sweet_spot
from xai_core.filter_study.summary import mean_of

COLOURS = plotly.colors.qualitative.Safe
"""Told apart by a colour-blind reader."""
CONFIG = {"displayModeBar": False}


def boxes(swept: Sweep, measure: str) -> go.Figure:
    """A box a filter over the modalities, each modality a point."""
    figure = go.Figure(
        [
            go.Box(
                y=values,
                name=band.name,
                text=list(swept.channels),
                boxpoints="all",
                pointpos=0,
                jitter=0.4,
                marker={"size": 5, "color": _colour(band.mode)},
                hovertemplate="%{text}: %{y:.3f}<extra>" + band.name + "</extra>",
                showlegend=False,
            )
            for band, values in zip(swept.bands, swept.values(measure), strict=True)
        ]
    )
    figure.update_layout(**_layout(340, MEASURES[measure]), yaxis={"title": "share", "rangemode": "tozero"})
    figure.update_xaxes(tickangle=-45)
    return figure


def against_alpha(swept: Sweep) -> go.Figure:
    """Mean ground-truth inclusivity against alpha, the raw map a level line, and dotted what a map without knowledge would reach:
    the share of the volume that is strong. The sweet spot is marked."""
    chance = {curve.name: curve for curve in curves(swept, "lit")}
    figure = go.Figure()
    for place, curve in enumerate(curves(swept)):
        line = {"color": COLOURS[place % len(COLOURS)], "width": 2}
        figure.add_scatter(x=curve.alphas, y=curve.mean, name=curve.name, mode="lines+markers", line=line)
        dotted = {**line, "dash": "dot", "width": 1}
        figure.add_scatter(
            x=curve.alphas,
            y=chance[curve.name].mean,
            name=f"{curve.name}: share of the volume",
            mode="lines",
            line=dotted,
        )
    best = sweet_spot(swept)
    if best is not None:
        if np.isfinite(best.raw):
            figure.add_hline(y=best.raw, line={"dash": "dash", "color": "grey"}, annotation_text="raw")
        star = {"symbol": "star", "size": 16, "color": "#f2c14e", "line": {"width": 1, "color": "#333333"}}
        name = f"sweet spot: {best.band.name}"
        figure.add_scatter(x=[best.band.alpha], y=[best.inclusivity], name=name, mode="markers", marker=star)
    figure.update_layout(
        **_layout(380, "Ground-truth inclusivity against α, mean over modalities"),
        xaxis={"title": "α, share of the greatest relevance"},
        yaxis={"title": "share", "rangemode": "tozero"},
    )
    return figure


def signals(swept: Sweep) -> go.Figure:
    """Mean normalised relevance of each modality over all filters: in the whole volume (D1) and in the ground truth (D2)."""
    figure = go.Figure()
    for place, (measure, name) in enumerate((("signal", "D1: volume"), ("signal_in_truth", "D2: ground truth"))):
        values = swept.values(measure)
        figure.add_box(
            x=[channel for _ in swept.bands for channel in swept.channels],
            y=values.ravel(),
            text=[band.name for band in swept.bands for _ in swept.channels],
            name=name,
            boxpoints="all",
            pointpos=0,
            jitter=0.4,
            marker={"size": 4, "color": COLOURS[place]},
            hovertemplate="%{text}: %{y:.4f}<extra>%{x}</extra>",
        )
    figure.update_layout(**_layout(340, "Mean normalised relevance, one point a filter"), boxmode="group")
    return figure


def has_signal(swept: Sweep) -> bool:
    """Whether there is any relevance to draw."""
    return bool(np.isfinite(mean_of(swept.values("signal"))).any())


def _colour(mode: str) -> str:
    return {"none": "#888888", "pass": COLOURS[0], "clamp": COLOURS[1]}[mode]


def _layout(height: int, title: str) -> dict[str, object]:
    return {"height": height, "title": title, "margin": {"l": 50, "r": 10, "t": 40, "b": 40}}
