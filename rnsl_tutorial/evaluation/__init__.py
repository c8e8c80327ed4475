"""What an embedding is worth, and what its figures can tell.

embedding.py judges embeddings by neighbors and prototypes, significance.py differences over seeds,
class_margins.py predicts which classes wrong labels hurt, and umap.py draws maps. Nothing here
trains.
"""

from rnsl_tutorial._lazy import exported

__getattr__, __all__ = exported(
    __name__,
    class_margins="chance concentrate dominated_classes hits margins neighborhoods",
    embedding="class_accuracy clustering_nmi flip_detection knn_accuracy knn_predict map_at_r "
    "nearest_neighbors precision_at_k prototype_accuracy",
    significance="holm interval p_value",
    umap="faithfulness pca_map umap_map umap_sequence",
)
