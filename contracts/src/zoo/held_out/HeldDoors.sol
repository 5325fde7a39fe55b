// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";
import {HeldMarket} from "./HeldLending.sol";
import {HeldPair} from "./HeldPair.sol";

/// @title A router whose pools ask it for the tokens that they are owed.
/// @notice WRITTEN FOR DRILLS. The flaw: it pays whoever asks, out of the allowance of whoever he names.
contract HeldAskedRouter {
    using SafeERC20 for IERC20;

    /// @notice Sells `amount` of the caller's tokens to `pair`.
    function sell(HeldPair pair, IERC20 token, uint256 amount) external {
        (uint256 reserve0, uint256 reserve1,) = pair.getReserves();
        bool first = address(pair.token0()) == address(token);
        (uint256 held, uint256 other) = first ? (reserve0, reserve1) : (reserve1, reserve0);
        uint256 out = amount * 997 * other / (held * 1000 + amount * 997);
        token.safeTransferFrom(msg.sender, address(pair), amount);
        pair.swap(first ? 0 : out, first ? out : 0, msg.sender, "");
    }

    /// @notice As pools with ticks call it. The flaw.
    function uniswapV3SwapCallback(int256 amount0, int256, bytes calldata data) external {
        (IERC20 token, address payer) = abi.decode(data, (IERC20, address));
        token.safeTransferFrom(payer, msg.sender, uint256(amount0));
    }
}

/// @title Holds a position in a market for its owner, and changes it with borrowed money.
/// @notice WRITTEN FOR DRILLS. The flaw: `executeOperation`, which lenders call, may be called by anybody, with any market.
contract HeldLeverager {
    using SafeERC20 for IERC20;

    address private immutable _owner;
    HeldMarket private immutable _market;

    constructor(HeldMarket market) {
        _owner = msg.sender;
        _market = market;
    }

    /// @notice Brings collateral and borrows on it, for the owner.
    function open(uint256 collateral, uint256 debt) external {
        require(msg.sender == _owner, "not yours");
        _market.collateralToken().safeTransferFrom(msg.sender, address(this), collateral);
        _market.collateralToken().forceApprove(address(_market), collateral);
        _market.supply(collateral);
        if (debt == 0) return;
        _market.borrow(debt);
        _market.debtToken().safeTransfer(msg.sender, debt);
    }

    /// @notice In the middle of a loan: repays and takes collateral out, or brings it in. The flaw.
    function executeOperation(IERC20 token, uint256 amount, bool supplies, HeldMarket market, uint256 collateral) external {
        token.forceApprove(address(market), amount);
        if (supplies) {
            market.supply(amount);
        } else {
            market.repay(amount, address(this));
            market.withdraw(collateral);
        }
    }
}

/// @title Sells for ether until enough has come, and takes several calls at once.
/// @notice WRITTEN FOR DRILLS. The flaw: each of several calls sees the ether that came once.
contract HeldSale {
    mapping(address account => uint256 amount) public committed;

    event Committed(address indexed account, uint256 amount);

    /// @notice Does each of `calls` as if it came alone. The flaw.
    function multicall(bytes[] calldata calls) external payable {
        for (uint256 index = 0; index < calls.length; index++) Address.functionDelegateCall(address(this), calls[index]);
    }

    /// @notice Commits what comes along.
    function commit() external payable {
        committed[msg.sender] += msg.value;
        emit Committed(msg.sender, msg.value);
    }

    /// @notice Takes a commitment back while the sale lasts.
    function retract(uint256 amount) external {
        committed[msg.sender] -= amount;
        Address.sendValue(payable(msg.sender), amount);
    }
}

/// @title Runs handlers that were looked at, on its own account, for those who gave it allowances.
/// @notice WRITTEN FOR DRILLS. The flaw: one of the handlers is a proxy, and finds its code where this account keeps it.
contract HeldDoer {
    mapping(address handler => bool is_) public isHandler;

    event Handled(address indexed caller, address indexed handler);

    constructor(address[] memory handlers) {
        for (uint256 index = 0; index < handlers.length; index++) isHandler[handlers[index]] = true;
    }

    /// @notice Runs each handler with its data.
    function batchExec(address[] calldata handlers, bytes[] calldata data) external payable {
        for (uint256 index = 0; index < handlers.length; index++) {
            require(isHandler[handlers[index]], "not looked at");
            Address.functionDelegateCall(handlers[index], data[index]);
            emit Handled(msg.sender, handlers[index]);
        }
    }
}

/// @title A handler that sends the caller's tokens.
/// @notice WRITTEN FOR DRILLS. Sound.
contract HeldSendHandler {
    using SafeERC20 for IERC20;

    /// @notice Sends `amount` of the caller's `token` to each of `to`.
    function send(IERC20 token, address[] calldata to, uint256 amount) external {
        for (uint256 index = 0; index < to.length; index++) token.safeTransferFrom(msg.sender, to[index], amount);
    }
}

/// @title A handler behind a proxy of its own, as another protocol made it.
/// @notice WRITTEN FOR DRILLS. Sound by itself; not when its code runs on somebody else's account.
contract HeldHandlerProxy {
    /// @notice Sets the code, once.
    function initialize(address implementation, bytes calldata data) external {
        require(ERC1967Utils.getImplementation() == address(0), "done");
        ERC1967Utils.upgradeToAndCall(implementation, data);
    }

    fallback(bytes calldata data) external returns (bytes memory) {
        return Address.functionDelegateCall(ERC1967Utils.getImplementation(), data);
    }
}

/// @title Takes tokens of whoever allowed the account on which it runs.
/// @notice WRITTEN FOR DRILLS.
contract HeldTaker {
    using SafeERC20 for IERC20;

    /// @notice Takes `amount` of each of `from`.
    function take(IERC20 token, address[] calldata from, uint256 amount, address to) external {
        for (uint256 index = 0; index < from.length; index++) token.safeTransferFrom(from[index], to, amount);
    }
}

/// @title Campaigns that give tokens away through lockers of their managers' choice.
/// @notice WRITTEN FOR DRILLS. The flaw: a campaign that is taken back leaves its locker's allowance.
contract HeldCampaigns {
    using SafeERC20 for IERC20;

    /// @notice A campaign.
    struct Campaign {
        address manager;
        IERC20 token;
        uint256 amount;
    }

    Campaign[] public campaigns;

    event Created(uint256 indexed id, address indexed manager, uint256 amount);

    /// @notice Brings `amount`, which `locker` may take.
    function create(IERC20 token, uint256 amount, address locker) external {
        token.safeTransferFrom(msg.sender, address(this), amount);
        token.approve(locker, token.allowance(address(this), locker) + amount);
        campaigns.push(Campaign(msg.sender, token, amount));
        emit Created(campaigns.length - 1, msg.sender, amount);
    }

    /// @notice Takes it back. The flaw.
    function cancel(uint256 id) external {
        Campaign memory mine = campaigns[id];
        require(mine.manager == msg.sender, "not yours");
        delete campaigns[id];
        mine.token.safeTransfer(msg.sender, mine.amount);
    }
}

/// @title A wallet that does what an entry point, or the account itself, says: also as code of a plain account.
/// @notice WRITTEN FOR DRILLS. Sound.
contract HeldSmartWallet {
    /// @notice One call.
    struct Call {
        address target;
        uint256 value;
        bytes data;
    }

    address private immutable _entryPoint;

    constructor(address entryPoint) {
        _entryPoint = entryPoint;
    }

    receive() external payable {}

    /// @notice Does `calls` in order.
    function executeBatch(Call[] calldata calls) external payable {
        require(msg.sender == _entryPoint || msg.sender == address(this), "not allowed");
        for (uint256 index = 0; index < calls.length; index++) {
            Address.functionCallWithValue(calls[index].target, calls[index].data, calls[index].value);
        }
    }
}

/// @title Takes operations of many wallets from a bundler, who is paid by them.
/// @notice WRITTEN FOR DRILLS. Sound.
contract HeldEntryPoint {
    /// @notice What a wallet's owner signed.
    struct Operation {
        address wallet;
        uint256 nonce;
        bytes data;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    mapping(address wallet => address owner) public ownerOf;
    mapping(address wallet => uint256 count) public nonces;

    event UserOperationEvent(address indexed wallet, uint256 nonce, bool success);

    /// @notice Who signs for the caller, or for a wallet that nobody signs for yet.
    function register(address wallet, address owner) external {
        require(ownerOf[wallet] == address(0), "done");
        ownerOf[wallet] = owner;
    }

    /// @notice Does each operation.
    function handleOps(Operation[] calldata operations) external {
        for (uint256 index = 0; index < operations.length; index++) {
            Operation calldata one = operations[index];
            require(nonces[one.wallet]++ == one.nonce, "wrong nonce");
            bytes32 hash = keccak256(abi.encode(address(this), one.wallet, one.nonce, one.data));
            require(ecrecover(hash, one.v, one.r, one.s) == ownerOf[one.wallet], "not signed");
            (bool success,) = one.wallet.call(one.data);
            emit UserOperationEvent(one.wallet, one.nonce, success);
        }
    }
}
