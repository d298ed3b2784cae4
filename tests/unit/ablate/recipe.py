"""The recipe that the grids of these tests stand on: small, and never run."""

BASE = """
name: base
out: nowhere
data: {phantom: {patients: 8, frames: 2, size_px: 128}}
teachers: [{name: lab-sam}]
student: {input_px: 64}
distill: {steps: 3}
align: {steps: 4}
"""
