"""From a model folder to masks. Training, reference masks and scores are not known here."""

from agglo.predict.model_folder import Model, ModelConfig, load_model, save_model
from agglo.predict.predictor import Predictor, load

__all__ = ["Model", "ModelConfig", "Predictor", "load", "load_model", "save_model"]
