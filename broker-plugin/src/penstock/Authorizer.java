package penstock;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;

import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.Resource;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.security.auth.KafkaPrincipal;
import org.apache.kafka.metadata.authorizer.StandardAuthorizer;
import org.apache.kafka.server.authorizer.Action;
import org.apache.kafka.server.authorizer.AuthorizableRequestContext;
import org.apache.kafka.server.authorizer.AuthorizationResult;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Kafka's own authorizer, less what would let a client break the cluster itself.
 *
 * <p>With {@code allow.everyone.if.no.acl.found=true}, MSK's default, Kafka alone would let an anonymous client unregister
 * brokers, remove voters, fetch as a replica and rewrite broker settings. Here these are denied to every principal without
 * the inner mark, whatever ACLs say. So are changes of the control plane's own topics, which anybody may read, and making one.
 * Everything else is Kafka's own decision.
 *
 * <p>Invariant: an inner principal's name begins with {@link #MARK}, which no TLS subject and no SCRAM login can produce;
 * only the inner listeners' mapping rules do. It runs on brokers and on controllers, where forwarded requests keep their
 * request type and principal and lose their listener.
 */
public class Authorizer extends StandardAuthorizer {

    /** First character of the names of nodes and of the control plane. */
    static final String MARK = "\u00a7";

    /** WriteTxnMarkers: an operator ends a transaction that hangs. Nobody without a name may end one of another's. */
    private static final int WRITE_TXN_MARKERS = 27;

    /**
     * Requests that need ALTER on the cluster and touch only what belongs to clients. ALTER is one operation for many
     * requests; the rest is denied by its absence here, requests of later Kafka versions included: UpdateFeatures (57),
     * UnregisterBroker (64), AddRaftVoter (80), RemoveRaftVoter (81).
     */
    private static final Set<Integer> ALTER_BY_CLIENTS = Set.of(
        WRITE_TXN_MARKERS,
        30,  // CreateAcls
        31,  // DeleteAcls
        34,  // AlterReplicaLogDirs
        43,  // ElectLeaders
        45,  // AlterPartitionReassignments
        51   // AlterUserScramCredentials
    );

    /** The same for ALTER_CONFIGS on the cluster, which is otherwise the settings of brokers and of the cluster (33, 44). */
    private static final Set<Integer> ALTER_CONFIGS_BY_CLIENTS = Set.of(
        49   // AlterClientQuotas
    );

    /** DescribeCluster: asks what its client may do and does none of it, so it is told Kafka's own answer. */
    private static final int DESCRIBE_CLUSTER = 60;

    /** The right to create any topic. Kafka does not write down that somebody lacks it: then each topic is asked about. */
    private static final Action CREATE_ANY = new Action(
        AclOperation.CREATE,
        new ResourcePattern(ResourceType.CLUSTER, Resource.CLUSTER_NAME, PatternType.LITERAL), 1, true, false
    );

    /** Beginning of the names of topics that belong to the control plane; MSK's begin so, too. */
    private static final String OWN_TOPICS = "__amazon_msk_";

    /** What nobody else may do to them. */
    private static final Set<AclOperation> CHANGES = Set.of(
        AclOperation.WRITE, AclOperation.CREATE, AclOperation.DELETE, AclOperation.ALTER, AclOperation.ALTER_CONFIGS
    );

    /** Where Kafka writes its own refusals. */
    private static final Logger LOG = LoggerFactory.getLogger("kafka.authorizer.logger");

    @Override
    public List<AuthorizationResult> authorize(AuthorizableRequestContext context, List<Action> actions) {
        if (context.principal().getName().startsWith(MARK) || actions.stream().noneMatch(a -> ours(context, a))) {
            return super.authorize(context, actions);
        }
        boolean createsAny = actions.stream().anyMatch(Authorizer::creates)
            && super.authorize(context, List.of(CREATE_ANY)).get(0) == AuthorizationResult.ALLOWED;
        List<AuthorizationResult> results = new ArrayList<>(actions.size());
        for (Action action : actions) {
            if (refuses(context, action)) {
                if (action.logIfDenied()) LOG.info("Principal = {} is Denied operation = {} from host = {} on {} for request = {}: "
                        + "only the cluster's own nodes and its control plane may do this",
                    context.principal(), action.operation(), context.clientAddress().getHostAddress(),
                    action.resourcePattern(), context.requestType());
                results.add(AuthorizationResult.DENIED);
            } else if (createsAny && creates(action)) {
                results.add(AuthorizationResult.ALLOWED);
            } else {
                results.addAll(super.authorize(context, List.of(action)));
            }
        }
        return results;
    }

    /** Is it more than Kafka's own decision? */
    private static boolean ours(AuthorizableRequestContext context, Action action) {
        return creates(action) || refuses(context, action);
    }

    /** Does it make a topic? Who may make any topic may make this one, too: Kafka asks for that first, and stops there. */
    private static boolean creates(Action action) {
        return action.operation() == AclOperation.CREATE && action.resourcePattern().resourceType() == ResourceType.TOPIC;
    }

    /** Does the action reach into the cluster itself? Group and transaction resources, and clients' topics, never do. */
    private static boolean refuses(AuthorizableRequestContext context, Action action) {
        if (action.resourcePattern().resourceType() == ResourceType.TOPIC) {
            return action.resourcePattern().name().startsWith(OWN_TOPICS) && CHANGES.contains(action.operation());
        }
        if (action.resourcePattern().resourceType() != ResourceType.CLUSTER) {
            return false;
        }
        return switch (action.operation()) {
            case CLUSTER_ACTION -> true;
            // Would delete any topic, unnamed: DeleteTopics then asks for each topic, which is what Kafka documents.
            case DELETE -> true;
            // Would make any topic, unnamed: CreateTopics, and Metadata where it makes topics, then ask for each topic.
            case CREATE -> context.requestType() != DESCRIBE_CLUSTER;
            case ALTER -> !ALTER_BY_CLIENTS.contains(context.requestType())
                || context.requestType() == WRITE_TXN_MARKERS && KafkaPrincipal.ANONYMOUS.equals(context.principal());
            case ALTER_CONFIGS -> !ALTER_CONFIGS_BY_CLIENTS.contains(context.requestType());
            default -> false;
        };
    }
}
